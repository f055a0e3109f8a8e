"""A lock between processes and machines; released when its holder ends, however it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from almanac.errors import TransientError
from almanac.journal.location import with_login
from almanac.storage.locks import locked

_CONNECT_S = 10


@contextmanager
def exclusive(journal_url: str, name: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Exclude other processes from an operation.

    With PostgreSQL it is an advisory lock of the journal's database and holds on all machines; with SQLite, whose
    installation is one machine, it is the kernel's lock on a file beside the journal.

    Args:
        journal_url: the operations database.
        name: of the operation.
        wait_s: how long to wait for another process; 0: not at all.

    Raises:
        TransientError: another process holds the lock, or the database is away.
    """
    url = with_login(journal_url)
    if url.get_backend_name() == "sqlite":
        folder = Path(url.database or ".").parent / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{name}.lock", lambda: None, timeout_s=wait_s):
            yield
        return
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_S})
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            deadline = time.monotonic() + wait_s
            while not _try_lock(connection, name):
                if time.monotonic() >= deadline:
                    raise TransientError(f"{name}: another process is at it; it is tried again later")
                time.sleep(0.2)
            yield  # the lock goes with the connection
    except OperationalError as error:
        place_ = url.render_as_string(hide_password=True)
        raise TransientError(f"journal {place_}: {error.orig}; check that the database is up") from error


def _try_lock(connection: Any, name: str) -> bool:
    query = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
    return bool(connection.execute(query, {"name": name}).scalar())
