"""What a store says when it fails, as an error that helps and gives no secret away."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from almanac.display import shorten
from almanac.errors import AlmanacError, TransientError

_LONGEST = 600  # characters; the rest of what stores say is their own debugging
_ANSI = re.compile(r"\x1b\[[0-9;]*m|↳")
_NO_SECRET = ("_ACCESS_KEY_ID", "_FILE")
_SECRET = re.compile(r"^(AWS|AZURE)_.*(KEY|SECRET|TOKEN|SAS|PASSWORD)")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")


@contextmanager
def store_errors(uri: str, done: str) -> Iterator[None]:
    """Turn the faults of a store into TransientError; only a missing file stays FileNotFoundError.

    Args:
        uri: where.
        done: what could not be done to it, as a past participle.
    """
    try:
        yield
    except AlmanacError:
        raise
    except Exception as error:
        # every client of every store has its own tree of exceptions, most of them outside OSError
        if isinstance(error, FileNotFoundError) and not any(name in str(error) for name in _NO_BUCKET):
            raise
        # From None: a traceback would print what the client said, and more than anyone needs.
        raise TransientError(
            f"{uri}: could not be {done}: {describe(error)}. Check that the store is up, has space and grants access"
            " (docs/object-storage.md); then try again."
        ) from None


def describe(error: BaseException) -> str:
    """The kind of an error and the first of what it says, on one line and without a secret."""
    text = " ".join(_ANSI.sub("", str(error).split("Debug source:")[0]).split())
    for name, value in os.environ.items():
        if value and _SECRET.match(name) and not name.endswith(_NO_SECRET):
            text = text.replace(value, "***")
    return f"{type(error).__name__}: {shorten(text, _LONGEST)}".rstrip(".")
