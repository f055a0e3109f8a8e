"""Journals of any revision, and the shape of their tables."""

import re
import shutil
import tempfile
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, create_engine, insert, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from almanac.journal.database import Database
from almanac.journal.schema import UNVERSIONED, VERSION_TABLE, lock_schema

FIRST = "0001"
AT = datetime(2026, 11, 21, 12)  # noqa: DTZ001 - as SQLite keeps it
ROWS: dict[str, dict[str, Any]] = {
    "decisions": {
        "kind": "training",
        "accepted": True,
        "reasons": ["why"],
        "decided_at": AT,
        "subject": "",
        "figures": {},
        "ask": [],
    },
    "alias_moves": {"alias": "champion", "from_version": "", "to_version": "1", "reason": "first", "moved_at": AT},
}


def execute(url: str | URL, *statements: str, autocommit: bool = False) -> list[tuple[Any, ...]]:
    level = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    with create_engine(url, poolclass=NullPool, **level).begin() as connection:
        for statement in statements:
            done = connection.execute(text(statement))
        return [tuple(row) for row in done] if done.returns_rows else []


def make(url: str, revision: str) -> None:
    """A journal with two rows, whose tables have a revision; `UNVERSIONED`: those of 0.1."""
    with Database(url).begin_unchecked() as connection:
        lock_schema(connection)
        config = Config()
        config.set_main_option("script_location", "almanac.journal:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision or FIRST)
        run = {"dag_id": "dag", "run_id": "run", "try_number": 1, "started_by": "ada", "trigger": "manual"}
        for name, row in ROWS.items():
            table = Table(name, MetaData(), autoload_with=connection)
            connection.execute(insert(table).values({**row, "model": "weather", **run}))
    if revision == UNVERSIONED:
        execute(url, f"DROP TABLE {VERSION_TABLE}")


def copy(url: str, revision: str) -> None:
    """The same journal in an empty database that only its superuser has used: its migrations run once a server."""
    found = make_url(url)
    if found.get_backend_name() == "sqlite":
        Path(str(found.database)).write_bytes(_file(revision))
        return
    server = found.set(database="postgres")
    execute(server, f"DROP DATABASE {found.database}", autocommit=True)
    execute(server, f"CREATE DATABASE {found.database} TEMPLATE {_template(server, revision)}", autocommit=True)


@lru_cache
def _file(revision: str) -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="almanac-journal-"))
    try:
        make(f"sqlite:///{folder}/journal.db", revision)
        with create_engine(f"sqlite:///{folder}/journal.db", poolclass=NullPool).connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return (folder / "journal.db").read_bytes()
    finally:
        shutil.rmtree(folder)


@lru_cache
def _template(server: URL, revision: str) -> str:
    name = f"journal_of_{revision or 'release_0_1'}"
    execute(server, f"CREATE DATABASE {name}", autocommit=True)
    make(server.set(database=name).render_as_string(hide_password=False), revision)
    connected = f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    execute(server, connected)  # who is connected to a template keeps it from being copied
    return name


def shape(url: str) -> dict[str, Any]:
    """Everything that a database says of its tables, in a comparable form."""
    found = inspect(create_engine(url, poolclass=NullPool))
    keys, indexes = found.get_multi_pk_constraint(), found.get_multi_indexes()
    unique = found.get_multi_unique_constraints()

    def default(column: dict[str, Any]) -> str:
        return re.sub(r"::[a-z ]+$", "", str(column["default"]))

    return {
        table[1]: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], default(column)) for column in columns
            },
            "key": keys[table]["constrained_columns"],
            "indexes": sorted((one["name"], one["column_names"], one["unique"]) for one in indexes[table]),
            "unique": sorted(one["column_names"] for one in unique[table]),
        }
        for table, columns in found.get_multi_columns().items()
        if table[1] != VERSION_TABLE
    }
