"""MLflow's tables, made once a process: its migrations take seconds for each new database."""

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
        kept: where the tables are kept meanwhile; the file is created.
    """
    connect = Registry.client.fget  # type: ignore[attr-defined]

    def client(registry: Registry) -> object:
        found = sqlite_path(registry.tracking_uri) if registry.tracking_uri.startswith("sqlite:") else None
        if registry._connected is not None or not found or Path(found).exists() or not Path(found).parent.is_dir():
            return connect(registry)
        if kept.exists():
            shutil.copyfile(kept, found)
            return connect(registry)
        made = connect(registry)
        with closing(sqlite3.connect(found)) as source, closing(sqlite3.connect(kept)) as target:
            source.backup(target)  # also what its write-ahead log holds
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "client", property(client))
        yield
