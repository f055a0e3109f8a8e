"""Rows that were there before: in the same batch, or in the dataset. Found in bounded memory, by hashes first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.grammar.arrival_columns import ARRIVAL
from almanac.config.sections.dataset import Dataset
from almanac.data.formats.reader import ROW
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import BATCH, MONTH, scan_table
from almanac.validation.rules import Rule, mark

if TYPE_CHECKING:
    import polars as pl

SAME = "_same"  # null in good rows
_HASH = "_hash"
_HASHES_AT_ONCE = 8_000_000  # 64 MB, and as much again to sort them
_ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Duplicates:
    """What a look at all rows of a batch together found.

    Attributes:
        in_batch: numbers of rows equal to an earlier row of the batch.
        in_dataset: numbers of rows that the dataset holds already.
        superseded: numbers of rows of which the batch, or the dataset, holds a newer revision.
        marks: rule -> numbers of rows that break it.
        replaced: `_month`, `_batch` and `_row` of published rows that this batch corrects.
    """

    in_batch: tuple["pl.Series", ...] = ()
    in_dataset: tuple["pl.Series", ...] = ()
    superseded: tuple["pl.Series", ...] = ()
    marks: dict[str, list["pl.Series"]] = field(default_factory=dict)
    replaced: tuple["pl.DataFrame", ...] = ()

    def found_any(self) -> bool:
        """Whether the rows must be read again with this in mind."""
        return bool(self.dropped() or any(len(rows) for found in self.marks.values() for rows in found))

    def dropped(self) -> int:
        """How many rows are not needed."""
        return sum(map(len, self._unneeded()))

    def _unneeded(self) -> "tuple[pl.Series, ...]":
        return (*self.in_batch, *self.in_dataset, *self.superseded)

    def mark(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """Leave out the rows that are not needed and mark those that break rules."""
        import polars as pl

        for rows in self._unneeded():
            frame = frame.filter(~pl.col(ROW).is_in(rows.implode()))
        for rule, found in self.marks.items():
            rows = pl.concat(found)
            frame = frame.with_columns(pl.when(pl.col(ROW).is_in(rows.implode())).then(True).alias(mark(rule)))
        return frame


NO_DUPLICATES = Duplicates()


def find_duplicates(
    rows: "pl.LazyFrame", count: int, snapshot: DatasetSnapshot, dataset: Dataset, rules: tuple[Rule, ...]
) -> Duplicates:
    """Compare all rows of a batch with each other and with the dataset.

    Args:
        rows: `_row`, the declared columns, and SAME (null in good rows).
        count: how many they are.
        snapshot: the dataset.
        dataset: the declared key.
        rules: those of kind `unique` are looked at too.
    """
    import polars as pl

    found = Duplicates(marks={})
    published = _published(rows, snapshot, dataset)
    dropped: list[pl.Series] = []
    for batch, held in _same_hash(rows, published, list(dataset.key), count):
        one = _compare(batch, held, dataset)
        dropped += [*one.in_batch, *one.in_dataset, *one.superseded]
        found = _joined(found, one)
    for rule in (rule for rule in rules if rule.kind == "unique"):
        everything = None if snapshot.table is None else scan_table(snapshot.table)
        for batch, held in _same_hash(rows, everything, list(rule.key), count):
            again = _again(batch, held, rule, dropped, dataset)
            found.marks.setdefault(rule.name, []).append(again)
    return found


def _joined(one: Duplicates, other: Duplicates) -> Duplicates:
    marks = {name: [*one.marks.get(name, []), *other.marks.get(name, [])] for name in {*one.marks, *other.marks}}
    return Duplicates(
        in_batch=one.in_batch + other.in_batch,
        in_dataset=one.in_dataset + other.in_dataset,
        superseded=one.superseded + other.superseded,
        marks=marks,
        replaced=one.replaced + other.replaced,
    )


def _published(rows: "pl.LazyFrame", snapshot: DatasetSnapshot, dataset: Dataset) -> "pl.LazyFrame | None":
    """Published rows that could have a key of the batch."""
    import polars as pl

    if snapshot.table is None or not dataset.has_key:
        return None
    published = scan_table(snapshot.table)
    if dataset.time not in dataset.key:  # the same key may stand at any time
        return published
    time = pl.col(dataset.time)
    first, last = rows.select(first=time.min(), last=time.max()).collect().row(0)
    if first is None:
        return None
    months = rows.select(time.dt.strftime("%Y-%m").unique()).collect(engine="streaming").to_series().drop_nulls()
    near = published.filter(pl.col(MONTH).is_in(months.to_list()), time >= first, time <= last)
    return near if near.select(pl.len()).collect().item() else None


def _same_hash(
    rows: "pl.LazyFrame", published: "pl.LazyFrame | None", names: list[str], count: int
) -> "Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]":
    """Rows, and published rows, whose values in `names` may stand more than once; group by group."""
    import polars as pl

    value = (pl.col(names[0]) if len(names) == 1 else pl.struct(names)).hash().alias(_HASH)
    total = count if published is None else count + published.select(pl.len()).collect().item()
    groups = total // _HASHES_AT_ONCE + 1
    suspects = []
    for group in range(groups):
        hashes = _hashes(rows, value, group, groups).sort()
        suspects.append(hashes.filter((hashes == hashes.shift(1)).fill_null(False)).unique())
        if published is not None:
            suspects.append(hashes.filter(hashes.is_in(_hashes(published, value, group, groups).implode())).unique())
    suspect = pl.concat(suspects).unique()
    parts = len(suspect) // _ROWS_AT_ONCE + 1 if len(suspect) else 0
    for part in range(parts):
        wanted = value.is_in(suspect.filter(suspect % parts == part).implode())
        held = None if published is None else published.filter(wanted).collect(engine="streaming")
        yield rows.filter(wanted).collect(engine="streaming").sort(ROW), held


def _hashes(rows: "pl.LazyFrame", value: "pl.Expr", group: int, groups: int) -> "pl.Series":
    import polars as pl

    hashes = rows.select(value)
    if groups > 1:
        hashes = hashes.filter(pl.col(_HASH) % groups == group)
    return hashes.collect(engine="streaming").to_series()


def _compare(batch: "pl.DataFrame", held: "pl.DataFrame | None", dataset: Dataset) -> Duplicates:
    """Compare rows of some keys, all of the batch's with these keys, with each other and with the published ones."""
    import polars as pl

    good = batch.filter(pl.col(SAME).is_null()).unique([*dataset.columns], keep="first", maintain_order=True)
    # a row that breaks a rule is never a repetition: what it was meant to say is not known
    distinct = pl.concat([good, batch.filter(pl.col(SAME).is_not_null())]).sort(ROW)
    older, newest = _older_revisions(distinct, dataset)
    marked = _with_published(newest, held, dataset)
    stale = marked.filter("_stale")[ROW]
    frame = marked.filter(~pl.col("_equal") & ~pl.col("_stale"))
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in dataset.key)
    clash = whole & (pl.len().over(dataset.key) > 1)
    frame = frame.with_columns(_clash=clash, _good=pl.col(SAME).is_null())
    corrects = pl.lit(dataset.corrections == "replace") & pl.col("_good") & ~pl.col("_clash") & pl.col("_newer")
    other = frame.filter(pl.col("_held") & ~corrects)
    replaced = frame.filter(pl.col("_held") & corrects).select(MONTH, pl.col(BATCH), pl.col("_held_row").alias(ROW))
    return Duplicates(
        in_batch=(batch.filter(~pl.col(ROW).is_in(distinct[ROW].implode()))[ROW],),
        in_dataset=(marked.filter("_equal")[ROW],),
        superseded=(older, stale),
        marks={"key.conflict": [frame.filter("_clash")[ROW]], "key.conflict_with_dataset": [other[ROW]]},
        replaced=(replaced,),
    )


def _older_revisions(distinct: "pl.DataFrame", dataset: Dataset) -> "tuple[pl.Series, pl.DataFrame]":
    """The numbers of good rows of which the batch holds a newer revision, and the other rows."""
    import polars as pl

    if dataset.revision is None:
        return pl.Series(ROW, [], pl.Int64), distinct
    revision, good = pl.col(dataset.revision), pl.col(SAME).is_null()
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in dataset.key)
    newest = pl.when(good).then(revision).max().over(dataset.key)
    older = (good & whole & (revision < newest)).fill_null(False)
    return distinct.filter(older)[ROW], distinct.filter(~older)


def _with_published(distinct: "pl.DataFrame", held: "pl.DataFrame | None", dataset: Dataset) -> "pl.DataFrame":
    """Say of each row whether the dataset holds its key (`held`): with the same values, or in a newer revision."""
    import polars as pl

    if held is None:
        nothing = pl.lit(None, pl.String)
        return distinct.with_columns(
            pl.lit(False).alias("_held"),
            pl.lit(False).alias("_equal"),
            pl.lit(False).alias("_stale"),
            pl.lit(True).alias("_newer"),
            nothing.alias(MONTH),
            nothing.alias(BATCH),
            pl.lit(None, pl.Int64).alias("_held_row"),
        )
    values = [name for name in dataset.columns if name not in dataset.key]
    compared = [name for name in values if name != ARRIVAL]  # a row that comes again is no newer state for that
    known = held.rename({ROW: "_held_row", **{name: f"{name}.published" for name in values}})
    joined = distinct.join(known.with_columns(_found=True), on=list(dataset.key), how="left", maintain_order="left")
    same = (pl.col(name).eq_missing(pl.col(f"{name}.published")) for name in compared)
    equal = pl.all_horizontal(pl.lit(True), *same)
    found = pl.col("_found").fill_null(False)
    # a cell that could not be read is no empty cell: only good rows are equal to published ones
    good = pl.col(SAME).is_null()
    revision = dataset.revision
    before = None if revision is None else pl.col(f"{revision}.published")
    older = pl.lit(False) if before is None else pl.col(str(revision)) < before
    newer = pl.lit(True) if before is None else (pl.col(str(revision)) > before) | before.is_null()
    return joined.with_columns(
        _held=found, _equal=found & equal & good, _stale=(found & older & good).fill_null(False), _newer=newer
    )


def _again(
    batch: "pl.DataFrame", held: "pl.DataFrame | None", rule: Rule, dropped: "list[pl.Series]", dataset: Dataset
) -> "pl.Series":
    """Numbers of rows whose values in the rule's columns stand in another row too, of this batch or published."""
    import polars as pl

    for rows in dropped:
        batch = batch.filter(~pl.col(ROW).is_in(rows.implode()))
    names = list(rule.key)
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
    again = batch.filter(whole & (pl.len().over(names) > 1))[ROW]
    if held is None:
        return again
    others = held.join(batch.select(dataset.key), on=list(dataset.key), how="anti")
    return pl.concat([again, batch.join(others, on=names, how="semi")[ROW]]).unique()
