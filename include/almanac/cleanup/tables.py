"""Rows of tables that are old: predictions by day and version, quarantined rows by batch. One commit takes them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from almanac.backup.snapshot.sources import below
from almanac.cleanup.backed_up import BackedUp
from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.config.schema import Model
from almanac.data.table.data_files import table_location
from almanac.data.table.delta_table import collect, open_table, read_errors, scan_table
from almanac.data.table.log_checkpoints import unneeded_checkpoints
from almanac.data.table.table_guard import TableGuard
from almanac.errors import TransientError
from almanac.scoring.predictions import DAY, TIME, VERSION
from almanac.storage.errors import describe

KEEP_FILES = timedelta(days=7)  # who reads an older version of the table has so long to finish
_WINDOWS = 3  # of the monitor: those that it compares, and one to spare


def plan_predictions(
    kind: str, uri: str, model: Model, *, before: datetime, now: datetime, known: BackedUp
) -> ExpiryPlan:
    """Days of a version's predictions that were all made before a time.

    What the monitor still compares with labels stays, and what a snapshot does not hold.

    Args:
        kind: `predictions` or `shadow`.
        uri: the table.
        model: says how far back the monitor looks, and when labels are known.
        before: younger ones are not looked at.
        now: tells which labels can be known.
        known: what is in a snapshot; tables in shadow are in none.

    Raises:
        TransientError: the store is unreachable.
    """
    import polars as pl

    table = open_table(uri)
    if table is None:
        return ExpiryPlan((), {kind: 0})
    rows = scan_table(table).group_by(DAY, VERSION).agg(pl.col("scored_at").max(), pl.col(TIME).max())
    days = collect(rows, uri).sort(DAY, VERSION)
    newest: dict[str, datetime] = dict(days.group_by(VERSION).agg(pl.col(TIME).max()).iter_rows())
    files, items = _files(table, (DAY, VERSION)), []
    for row in days.iter_rows(named=True):
        if row["scored_at"] >= before:
            continue
        own = files.get((str(row[DAY]), str(row[VERSION])), [])
        needs = [*_prediction_needs(model, row[TIME], newest[row[VERSION]], now)]
        needs += known.need([(f"predictions/{path}", size) for path, size in own])
        predicate = f"{DAY} = '{_plain(row[DAY])}' AND {VERSION} = '{_plain(row[VERSION])}'"
        name, size = f"{row[DAY]} of version {row[VERSION]}", sum(size for _, size in own)
        items.append(Item(kind, name, size, row["scored_at"], tuple(needs), (predicate,)))
    return ExpiryPlan(tuple(items), {kind: sum(size for own in files.values() for _, size in own)})


def plan_quarantined_rows(uri: str, *, before: datetime, known: BackedUp) -> ExpiryPlan:
    """Batches whose quarantined rows are old.

    Raises:
        TransientError: the store is unreachable.
    """
    import polars as pl

    kind, table = "quarantine_rows", open_table(uri)
    if table is None:
        return ExpiryPlan((), {kind: 0})
    frame = collect(scan_table(table).group_by("batch").agg(pl.len(), pl.col("quarantined_at").max()), uri)
    files = [pair for own in _files(table, ()).values() for pair in own]
    total, count = sum(size for _, size in files), max(int(frame["len"].sum()), 1)
    needs = known.need([(f"quarantine/rows/{path}", size) for path, size in files])
    items = [
        Item(
            kind,
            f"{row['len']} rows of batch {row['batch'][:12]}",
            total * row["len"] // count,
            row["quarantined_at"],
            needs,
            (f"batch = '{_plain(row['batch'])}'",),
        )
        for row in frame.sort("batch").iter_rows(named=True)
        if row["quarantined_at"] < before
    ]
    return ExpiryPlan(tuple(items), {kind: total})


def plan_upkeep(name: str, uri: str, *, now: datetime, keep: timedelta) -> ExpiryPlan:
    """What a table of outputs no longer uses: replaced files, and checkpoints of its log; they go whatever is declared.

    No version of such a table but the newest is asked for, by anybody; readers of the one before have `keep`.

    Args:
        name: of the table, for people.
        uri: the table.
        now: the time.
        keep: how long files stay that the newest version does not have.

    Raises:
        TransientError: the store is unreachable.
    """
    from deltalake.exceptions import DeltaError

    table = open_table(uri)
    if table is None:
        return ExpiryPlan((), {})
    try:
        hours = int(keep / timedelta(hours=1))
        paths = table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
    except (DeltaError, OSError) as error:
        raise TransientError(f"{uri}: cannot be read: {describe(error)}; it is tried again") from None
    sizes = {file.path: file.size for file in below(uri)} if paths else {}
    replaced = {unquote(path): sizes.get(unquote(path), 0) for path in sorted(paths)}
    checkpoints = unneeded_checkpoints(uri, (), now=now, readers=keep)
    items = [
        Item(
            "replaced_files",
            f"{len(replaced)} files that {name} no longer has",
            sum(replaced.values()),
            now - keep,
            (),
            tuple(f"{uri}/{path}" for path in replaced),
            len(replaced),
        ),
        Item(
            "log_checkpoints",
            f"{len(checkpoints)} checkpoints of {name}",
            sum(one.size_bytes for one in checkpoints),
            now - keep,
            (),
            tuple(one.uri for one in checkpoints),
            len(checkpoints),
        ),
    ]
    return ExpiryPlan(tuple(item for item in items if item.where), {})


def delete_rows(guard: TableGuard, items: Sequence[Item]) -> None:
    """Delete what these items name in one commit; the files go when `plan_upkeep` finds that nobody reads them.

    Raises:
        DataLossError: the table is behind what is known of it; nothing was deleted.
        TransientError: the store is unreachable, or another writer committed meanwhile; it is tried again.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import DeltaError

    uri = guard.uri
    table = open_table(uri)
    if table is None or not items:
        return
    guard.check(table)
    try:
        table.delete(
            " OR ".join(f"({predicate})" for item in items for predicate in item.where),
            commit_properties=CommitProperties(custom_metadata={"expired": str(len(items))}),
        )
    except (DeltaError, OSError) as error:
        raise TransientError(f"{uri}: old rows could not be deleted: {describe(error)}; it is tried again") from None
    guard.advance(int(open_table(uri).version()))


def _prediction_needs(model: Model, last: datetime, newest: datetime, now: datetime) -> Iterable[str]:
    known_after = model.label.known_after
    if last + known_after > now:
        yield "its labels are not known yet"
    if last + known_after + _WINDOWS * model.monitor.window > newest:
        yield "the monitor still compares it with its labels"


def _files(table: Any, by: Sequence[str]) -> dict[tuple[str, ...], list[tuple[str, int]]]:
    """Path and size of the active files, by the values of their partition."""
    import polars as pl

    with read_errors(table_location(table)):
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
    found: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for row in actions.iter_rows(named=True):
        key = tuple(str(row[f"partition.{name}"]) for name in by)
        found.setdefault(key, []).append((str(row["path"]), int(row["size_bytes"])))
    return found


def _plain(value: object) -> str:
    """A value as it may stand between quotes."""
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.replace("'", "''")
