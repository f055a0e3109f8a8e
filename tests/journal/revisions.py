"""Journals of any revision, and the shape of their tables."""

import re
from datetime import datetime
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, create_engine, insert, inspect, text
from sqlalchemy.engine import URL
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


def shape(url: str) -> dict[str, Any]:
    """Everything that a database says of its tables, in a comparable form."""
    found = inspect(create_engine(url, poolclass=NullPool))

    def default(column: dict[str, Any]) -> str:
        return re.sub(r"::[a-z ]+$", "", str(column["default"]))

    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], default(column))
                for column in found.get_columns(table)
            },
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "indexes": sorted((one["name"], one["column_names"], one["unique"]) for one in found.get_indexes(table)),
            "unique": sorted(one["column_names"] for one in found.get_unique_constraints(table)),
        }
        for table in found.get_table_names()
        if table != VERSION_TABLE
    }
