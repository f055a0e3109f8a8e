"""Object stores, through obstore: every write is one step there, seen whole or not at all.

Where to find a store and how to enter it stands in the environment, in the names that every client of the field knows
(`AWS_*`, `AZURE_*`), and where nothing stands there the role of the machine is taken. See docs/object-storage.md.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from almanac.config.location import SCHEMES
from almanac.config.patience import Patience, patience
from almanac.errors import ConfigError

_CLOUDS = ("AWS_", "AZURE_")
# The whole of a large file may take long; that nothing comes for half a minute may not.
_PATIENCE = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "1h"}
# Given options of the connection replace all of those that the environment names; so they are read here.
_OPTIONS = ("allow_http", "allow_invalid_certificates", "proxy_url", *_PATIENCE)


def is_remote(uri: str) -> bool:
    """Whether the URI leads to an object store."""
    return "://" in uri and not uri.startswith("file://")


def open_store(uri: str) -> tuple[Any, str]:
    """The store that holds the URI's bucket or container, and the path in it.

    Raises:
        ConfigError: there is no client for such URIs.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, path = rest.partition("/")
    if scheme not in SCHEMES:
        raise ConfigError(
            f"{uri}: no client for {scheme!r}; expected a path, file://, {', '.join(f'{name}://' for name in SCHEMES)}."
            f" See docs/object-storage.md."
        )
    entry = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_CLOUDS)))
    return _open(f"{scheme}://{bucket}", entry, patience()), path


def open_location(uri: str, *, give_up_after: timedelta | None = None) -> Any:
    """A store of its own for one place: paths are those below the URI.

    Args:
        uri: a bucket or container, and a prefix in it.
        give_up_after: how long requests are repeated; none: some minutes.
    """
    from obstore.store import from_url

    waits = patience()
    retry = _retry(waits)
    if give_up_after is not None and not waits.short:
        retry = {"max_retries": 2, "retry_timeout": give_up_after}
    return from_url(uri, client_options=_options(uri, os.environ, waits), retry_config=retry)


@lru_cache(maxsize=16)
def _open(root: str, entry: tuple[tuple[str, str], ...], waits: Patience) -> Any:
    """Open a store; again where the environment says something else."""
    from obstore.store import from_url

    return from_url(root, client_options=_options(root, dict(entry), waits), retry_config=_retry(waits))


def _options(uri: str, environment: Mapping[str, str], waits: Patience) -> Any:
    cloud = "AWS" if uri.startswith("s3:") else "AZURE"
    options = {name: value for name in _OPTIONS if (value := environment.get(f"{cloud}_{name.upper()}"))}
    if waits.short:
        return {**options, **dict.fromkeys(("connect_timeout", "read_timeout"), f"{waits.answer_s:g}s")}
    return {**_PATIENCE, **options}


def _retry(waits: Patience) -> Any:
    """How often a request is repeated; None: for some minutes."""
    return {"max_retries": 0, "retry_timeout": timedelta(seconds=waits.answer_s)} if waits.short else None
