"""What a library raises on the bytes of one file, beside what it says that it raises: it rejects this file only."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from almanac.display import shorten
from almanac.errors import AlmanacError, DataError

log = logging.getLogger(__name__)
_PASSES = (AlmanacError, OSError, MemoryError)  # reported by their callers; a full disk or memory is transient
_SHOWN = 300


@contextmanager
def unreadable_errors(name: str, is_published: Callable[[], bool]) -> Iterator[None]:
    """Let any other fault reject the file, so that the files behind it are taken: it would come again for ever.

    polars' panics are BaseExceptions, which pass `except Exception`; what stops a process (KeyboardInterrupt,
    SystemExit, a kill) goes on its way.

    Args:
        name: of the file.
        is_published: whether the file's rows are in the dataset already: then nothing may be rejected any more.

    Raises:
        DataError: in the place of the fault.
    """
    try:
        yield
    except _PASSES:
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or _is_panic(error)) or is_published():
            raise
        log.exception("%s: unreadable", name)
        raise DataError(
            f"{name}: unreadable: {type(error).__name__}: {shorten(str(error), _SHOWN)}. A library fails in an"
            " unexpected way on this file, perhaps because of a bug in Almanac: the task's log has the full error."
            " The bytes are kept; deliver the file in another form, or readmit it when the bug is fixed."
        ) from error


def _is_panic(error: BaseException) -> bool:
    from polars.exceptions import PanicException

    return isinstance(error, PanicException)
