"""A PostgreSQL database: `pg_dump -Fc -Z0`, compressed by us, with a checksum over the rows of every table.

A flipped bit in an uncompressed dump is restored with exit code 0 and the right number of rows; so the file has a hash,
and the rows have a checksum that was taken in the very snapshot that was dumped.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from almanac.backup.snapshot.sources import SourceFile
from almanac.backup.snapshot.writer import Draft
from almanac.backup.store.manifest import Fact
from almanac.backup.store.port import CHUNK
from almanac.errors import ConfigError, IntegrityError, TransientError

# What decides how a row is written as text.
_SESSION = (
    "TIME ZONE 'UTC'",
    "datestyle = 'ISO, YMD'",
    "intervalstyle = 'postgres'",
    "bytea_output = 'hex'",
    "extra_float_digits = 1",
)
_TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)
_CONNECT = {"connect_timeout": 10}


@contextmanager
def postgres_draft(name: str, url: URL) -> Iterator[Draft]:
    """A dump of one consistent snapshot of a database.

    Args:
        name: of the database, for example `mlflow`.
        url: where it is.

    Raises:
        ConfigError: pg_dump is missing, or older than the server.
        TransientError: the server is away.
    """
    client = _client_version()
    engine = create_engine(url, connect_args=_CONNECT)
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            server = _server_version(connection)
            if client < server:
                raise ConfigError(
                    f"database/{name}: pg_dump is older than the server; got {client}, expected {server} or newer."
                    f" Install the client of the server's version (Debian: postgresql-client-{server})"
                )
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            yield Draft(
                f"database/{name}",
                [SourceFile(f"{name}.dump", lambda: _dump(url, str(snapshot)))],
                {"engine": "postgresql", "tables": checksums(connection, session="utc"), "session": "utc"},
                {"pg_dump": str(client), "postgresql": str(server)},
            )
    except SQLAlchemyError as error:
        raise TransientError(f"database/{name}: {url.host}:{url.port}: {error}; check that it is up") from error
    finally:
        engine.dispose()


def checksums(connection: Connection, *, session: str) -> dict[str, Fact]:
    """Rows and a checksum over all of them, whatever their order, by table.

    Args:
        connection: within a transaction.
        session: how times, intervals and bytes are written: `utc`, the same on every server; empty: as the server is
            set, which is how snapshots were taken before.
    """
    for setting in _SESSION if session else ():
        connection.execute(text(f"SET LOCAL {setting}"))
    listed = connection.execute(text(_TABLES))
    found: dict[str, Fact] = {}
    for (table,) in listed.fetchall():
        query = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {table} t"  # noqa: S608
        rows, checksum = connection.execute(text(query)).one()
        found[str(table)] = {"rows": int(rows), "checksum": str(checksum)}
    return found


def is_empty(url: URL) -> bool:
    """Whether a database has no table yet.

    Raises:
        TransientError: the server is away.
    """
    with _connected(url) as connection:
        return not connection.execute(text(_TABLES)).first()


def load(dump: Path, url: URL) -> None:
    """Load a dump into an empty database, all of it or nothing.

    Raises:
        TransientError: the server is away.
        IntegrityError: pg_restore cannot read the dump.
    """
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    command = ["pg_restore", *options, *_target(url), str(dump)]
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        away = "connection to server" in done.stderr
        kind = TransientError if away else IntegrityError
        raise kind(f"{dump.name}: pg_restore ended with {done.returncode}: {done.stderr.strip()[:500]}")


def check_rows(url: URL, expected: Mapping[str, Any], *, session: str = "") -> str:
    """Compare the rows of a loaded database with what the snapshot recorded; says so in words.

    Args:
        url: the database.
        expected: rows and checksums by table.
        session: see `checksums`.

    Raises:
        IntegrityError: they differ.
        TransientError: the server is away.
    """
    with _connected(url) as connection:
        got = checksums(connection, session=session)
    differ = sorted(table for table in {*got, *expected} if got.get(table) != expected.get(table))
    if differ:
        raise IntegrityError(f"{url.database}: the rows of {differ} are not what was backed up; do not use it")
    return f"{len(got)} tables with the rows that were recorded"


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, connect_args=_CONNECT)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise TransientError(f"{url.host}:{url.port}: {error}; check that it is up") from error
    finally:
        engine.dispose()


@contextmanager
def scratch_database(url: URL) -> Iterator[URL]:
    """A database of its own on the server, dropped afterwards."""
    name = f"almanac_drill_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args=_CONNECT)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name}"))
            try:
                yield url.set(database=name)
            finally:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    except SQLAlchemyError as error:
        raise TransientError(f"{url.host}:{url.port}: {error}; check that it is up and may make databases") from error
    finally:
        engine.dispose()


def _client_version() -> int:
    if shutil.which("pg_dump") is None:
        raise ConfigError("pg_dump is missing (Debian: apt-get install postgresql-client); nothing was backed up")
    output = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)", output)
    if match is None:
        raise ConfigError(f"pg_dump does not say its version; got {output!r}")
    return int(match.group(1))


def _server_version(connection: Connection) -> int:
    return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def _dump(url: URL, snapshot: str) -> Iterator[bytes]:
    command = ["pg_dump", "--format=custom", "--compress=0", f"--snapshot={snapshot}", *_target(url)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=_environment(url), stdout=subprocess.PIPE, stderr=errors)
        try:
            stream = cast("IO[bytes]", process.stdout)
            while piece := stream.read(CHUNK):
                yield piece
            if process.wait():
                raise TransientError(f"pg_dump ended with {process.returncode}: {_tail(errors)}; nothing was backed up")
        finally:
            process.kill()
            process.communicate()


def _target(url: URL) -> list[str]:
    given = {"--host": url.host, "--port": url.port, "--username": url.username, "--dbname": url.database}
    return [f"{option}={value}" for option, value in given.items() if value]


def _environment(url: URL) -> dict[str, str]:
    """The password is not for the list of processes."""
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    return {**os.environ, **password}


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read()[-500:].decode("utf-8", "replace").strip()
