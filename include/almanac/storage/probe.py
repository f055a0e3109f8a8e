"""Tests a location in an object store: is it accessible, and does it support conditional writes?"""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from almanac.errors import ConfigError
from almanac.storage.errors import store_errors
from almanac.storage.objects import open_location, open_store


def probe(uri: str) -> None:
    """Create an object, see that it cannot be created again, and remove it.

    Raises:
        ConfigError: there is no client for such a URI, or the store creates what exists: of two commits at once one
            would be lost.
        TransientError: it cannot be entered from here.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError

    name = f".almanac-probe-{uuid4()}"
    with store_errors(uri, "tried"):
        open_store(uri)  # refuses what is no store
        path = open_location(uri, give_up_after=timedelta(seconds=5))
        obstore.put(path, name, b"", mode="create")
        try:
            obstore.put(path, name, b"", mode="create")
        except AlreadyExistsError:
            return
        finally:
            with suppress(FileNotFoundError):
                obstore.delete(path, name)
    raise ConfigError(
        f"{uri}: this store overwrites an existing object although If-None-Match forbids it, so of two concurrent"
        " commits one would be lost. Use another store, or a newer version of it; see docs/object-storage.md."
    )
