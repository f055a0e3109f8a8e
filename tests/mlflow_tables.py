"""MLflow's tables, made once for all processes of a session: its migrations take seconds for each new database."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from almanac.config.location import sqlite_path
from almanac.registry.store import Registry


@contextmanager
def tables_made_once(kept: Path) -> Iterator[None]:
    """Let each registry whose SQLite database is missing begin with a copy of the tables that MLflow made first.

    Args:
        kept: where the tables are kept meanwhile; the file is created, by the first process that needs it.
    """
    connect = Registry.client.fget  # type: ignore[attr-defined]

    def client(registry: Registry) -> object:
        found = sqlite_path(registry.tracking_uri) if registry.tracking_uri.startswith("sqlite:") else None
        if registry._connected is not None or not found or Path(found).exists() or not Path(found).parent.is_dir():
            return connect(registry)
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits for less time than it would take to make them
            if not kept.exists():
                made = connect(registry)
                whole = kept.with_suffix(f".{os.getpid()}")
                with closing(sqlite3.connect(found)) as source, closing(sqlite3.connect(whole)) as target:
                    source.backup(target)  # also what its write-ahead log holds
                whole.rename(kept)
                return made
        shutil.copyfile(kept, found)
        return connect(registry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "client", property(client))
        yield
