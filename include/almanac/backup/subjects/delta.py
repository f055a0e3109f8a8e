"""A Delta table at a version: the files that readable versions need, and the log up to there.

Published files do not change, so the next snapshot reads the new ones only.
"""

import hashlib
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from almanac.backup.snapshot.sources import SourceFile, below
from almanac.backup.store.facts import table_facts
from almanac.backup.store.manifest import Fact
from almanac.data.table.delta_table import collect, open_table, scan_table
from almanac.errors import DataError, IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)
_COMMIT = re.compile(r"^_delta_log/(\d{20})\.(json|checkpoint(\.\d{10}\.\d{10})?\.parquet)$")


@dataclass(frozen=True)
class DeltaFiles:
    """Files and facts of one table."""

    files: list[SourceFile]
    facts: dict[str, Fact]


def delta_files(
    uri: str, *, version: int | None = None, readable: Collection[int] = (), prefix: str = ""
) -> DeltaFiles | None:
    """What a snapshot of a table needs; None when there is no table.

    Args:
        uri: the place of the table.
        version: which the restored table opens at; None: the newest.
        readable: older versions that must stay readable in the restored table.
        prefix: put before each path.

    Raises:
        DataError: there is no such version, or one of the wanted versions has lost files.
        TransientError: the store is away.
    """
    table = open_table(uri, version)
    if table is None:
        return None
    newest = int(table.version())
    wanted = sorted({number for number in readable if 0 <= number <= newest} | {newest})
    tables = {number: table if number == newest else open_table(uri, number) for number in wanted}
    found = {file.path: file for file in below(uri)}
    paths = {path for one in tables.values() for path in _paths(one, found)}
    missing = sorted(paths - found.keys())
    if missing:
        raise DataError(
            f"{uri}: {len(missing)} files of versions {wanted} are missing, for example {missing[0]}. Restore them"
            " from an older snapshot before you take a new one: almanac restore"
        )
    history = [path for path in found if _belongs(path, newest)]
    files = [_under(prefix, found[path]) for path in sorted([*history, *paths])]
    facts: dict[str, Fact] = {
        "delta_version": newest,
        "readable_versions": list(wanted),
        "rows": {str(number): int(one.count()) for number, one in tables.items()},
        "schema_sha256": schema_hash(table),
    }
    return DeltaFiles(files, facts)


def check_table(folder: "Path", facts: dict[str, Fact]) -> str:
    """Use a restored table: it opens at each version, with the rows and the columns that it had; says so in words.

    Raises:
        IntegrityError: it does not.
    """
    import polars as pl

    known = table_facts(facts, str(folder))
    for number, expected in sorted(known.rows.items(), key=lambda item: int(item[0])):
        table = open_table(str(folder), int(number))
        if table is None:
            raise IntegrityError(f"{folder}: restored, but it is not a Delta table; do not use it")
        got = collect(scan_table(table).select(pl.len()), str(folder)).item()
        if got != expected:
            raise IntegrityError(f"{folder}: version {number} has {got} rows, expected {expected}; do not use it")
    table = open_table(str(folder))
    if table is None or int(table.version()) != known.delta_version or schema_hash(table) != known.schema_sha256:
        got = "no" if table is None else table.version()
        raise IntegrityError(f"{folder}: opens at version {got}, expected {known.delta_version} with its columns")
    rows = known.rows.get(str(known.delta_version), 0)
    return f"opens at version {known.delta_version} with {rows} rows; readable versions {sorted(known.rows, key=int)}"


def schema_hash(table: Any) -> str:
    """Tells schemas apart."""
    return hashlib.sha256(table.schema().to_json().encode()).hexdigest()


def _paths(table: Any, found: Collection[str]) -> list[str]:
    """The active files; a log may write a name with escapes."""
    import polars as pl

    names = [str(name) for name in pl.DataFrame(table.get_add_actions(flatten=True))["path"]]
    return [name if name in found else unquote(name) for name in names]


def _belongs(path: str, newest: int) -> bool:
    match = _COMMIT.match(path)
    return match is not None and int(match.group(1)) <= newest


def _under(prefix: str, file: SourceFile) -> SourceFile:
    return SourceFile(f"{prefix}{file.path}", file.pieces, file.size, file.stamp)
