"""Lets one process at a time do a thing, wherever it runs: who dies lets go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from almanac.errors import TransientError
from almanac.journal.place import entered
from almanac.storage.locks import locked

_CONNECT_S = 10


@contextmanager
def exclusive(journal_url: str, name: str) -> Iterator[None]:
    """Do something that nobody else may do meanwhile; whoever comes second is turned away at once.

    Where the journal is PostgreSQL the lock is its own, and holds on all machines; with SQLite, whose installation is
    one machine, it is the kernel's lock on a file beside the journal. Both end with their process, however it ends.

    Args:
        journal_url: the operations database.
        name: of what is done.

    Raises:
        TransientError: another process is doing it, or the database is away.
    """
    url = entered(journal_url)
    if url.get_backend_name() == "sqlite":
        place = Path(url.database or ".").parent / "locks"
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / f"{name}.lock", lambda: None, timeout_s=0.0):
            yield
        return
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_S})
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            held = connection.execute(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), {"name": name})
            if not held.scalar():
                raise TransientError(f"{name}: another process is at it; it is tried again later")
            yield  # the lock goes with the connection
    except OperationalError as error:
        place_ = url.render_as_string(hide_password=True)
        raise TransientError(f"journal {place_}: {error.orig}; check that the database is up") from error
