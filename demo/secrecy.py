"""Looks for secrets where none may be: in every file below a folder, and in every row of the databases."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, inspect, select, table, text
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# What is there to hold them: of one machine, and of docker-compose.yaml.
KEEPERS = frozenset({"secrets", ".env", "processes", "redis.conf"})


def places_that_show(secrets: Mapping[str, str], root: Path, databases: Iterable[str]) -> tuple[list[str], int]:
    """Where secrets can be read, and how many bytes were looked at.

    Logs, reports, snapshots that are not compressed, XComs, rendered templates, the journal: whatever there is.

    Args:
        secrets: by name; only the names are told.
        root: of all files.
        databases: URLs of SQLAlchemy.
    """
    names = {value.encode(): name for name, value in secrets.items()}
    any_of_them = re.compile(b"|".join(re.escape(value) for value in names))
    shown, looked_at = [], 0
    for place, content in chain(_files(root), _rows(databases)):
        looked_at += len(content)
        shown += sorted({f"{names[found]} in {place}" for found in any_of_them.findall(content)})
    return shown, looked_at


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if not KEEPERS & set(inside.parts) and path.is_file():
            with suppress(FileNotFoundError):  # services that run clear up behind themselves
                yield str(inside), path.read_bytes()


def _rows(databases: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for url in databases:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            for name in inspect(connection).get_table_names():
                rows = connection.execute(select(text("*")).select_from(table(name)))  # as the driver gives them
                yield f"{connection.engine.url.database}: {name}", "\n".join(str(tuple(row)) for row in rows).encode()
