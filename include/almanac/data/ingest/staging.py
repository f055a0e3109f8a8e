"""Reads a batch chunk by chunk, checks its rows, and lays the good and the bad ones down in files of their own."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.grammar.arrival_columns import ARRIVAL, ARRIVAL_ROW
from almanac.config.sections.dataset import Dataset
from almanac.data.formats.reader import ROW, RecordChunk, RecordReader
from almanac.data.ingest.duplicates import NO_DUPLICATES, SAME, Duplicates
from almanac.data.ingest.parsing import parse_cells
from almanac.data.table.delta_table import BATCH, MONTH
from almanac.data.table.part_files import PartFile, PartWriter, RowFile
from almanac.validation.masks import broken_rules, mark_rows
from almanac.validation.rules import FILE_RECORD, Rule, unparsed

if TYPE_CHECKING:
    import polars as pl

_SAMPLE = 100_000  # a batch of no more rows is looked at whole
_BAD_SAMPLE = 10_000
_DIGITS = 9


@dataclass(frozen=True)
class StagingOrder:
    """What one reading of a batch needs.

    Attributes:
        newest: the newest published event time.
        now: rows after this time are from the future; without a time of their own they are of this one.
        batch_rules: rules that the batch as a whole broke: all of its rows break them.
    """

    name: str
    batch_id: str
    dataset: Dataset
    rules: tuple[Rule, ...]
    newest: datetime | None
    now: datetime
    duplicates: Duplicates = NO_DUPLICATES
    batch_rules: tuple[str, ...] = ()


@dataclass
class Staged:
    """A staged batch: good rows by month, bad rows with their reasons, figures of all."""

    folder: Path
    good: PartWriter
    bad: RowFile
    spoiled: RowFile  # the bad rows as they were read, for the comparison of keys
    rows_read: int = 0
    blank: int = 0
    malformed: int = 0
    normalised: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None  # of the good rows
    last: datetime | None = None
    newest_row: datetime | None = None
    every: int = 1
    samples: list["pl.DataFrame"] = field(default_factory=list)
    bad_samples: list["pl.DataFrame"] = field(default_factory=list)

    @property
    def parts(self) -> list[PartFile]:
        """The files of the good rows."""
        return self.good.parts

    def sample(self) -> "pl.DataFrame":
        """Evenly spaced rows, in the order of the file; all of them where there are not many."""
        import polars as pl

        return pl.concat(self.samples) if self.samples else pl.DataFrame()

    def sample_with_bad(self) -> "pl.DataFrame":
        """The sample and the first bad rows."""
        import polars as pl

        frames = [*self.samples, *self.bad_samples]
        return pl.concat(frames).unique(ROW, maintain_order=True) if frames else pl.DataFrame()


def stage(records: RecordReader, folder: Path, order: StagingOrder) -> Staged:
    """Read the whole batch once.

    Args:
        records: the file's records.
        folder: where the files are written; earlier ones of another reading stay until the folder goes.
        order: what to check against.

    Raises:
        DataError: the file cannot be read to its end, or its schema is not as declared.
    """
    here = folder / f"staged_{len(list(folder.iterdir()))}"
    here.mkdir()
    staged = Staged(here, PartWriter(here, MONTH), RowFile(here / "bad.parquet"), RowFile(here / "spoiled.parquet"))
    for chunk in records.chunks():
        _add(staged, chunk, records.decimal, order)
    for file in (staged.good, staged.bad, staged.spoiled):
        file.close()
    return staged


def _add(staged: Staged, chunk: RecordChunk, decimal: str, order: StagingOrder) -> None:
    import polars as pl

    dataset, duplicates = order.dataset, order.duplicates
    staged.rows_read += chunk.cells.height + chunk.malformed.height + chunk.blank
    staged.blank += chunk.blank
    _add_malformed(staged, chunk.malformed)
    if chunk.cells.is_empty():
        return
    typed = duplicates.mark(parse_cells(_with_arrival(chunk.cells, order), dataset, decimal, order.name))
    typed = mark_rows(typed, order.rules, newest=order.newest, before=staged.newest_row)
    broken = broken_rules(typed, order.rules, now=order.now)
    for rule, count in broken.sum().row(0, named=True).items():
        staged.counts[rule] = staged.counts.get(rule, 0) + count
    spoiling = [rule.name for rule in order.rules if rule.action != "warn"]
    is_bad = broken.select(pl.any_horizontal(pl.lit(bool(order.batch_rules)), *spoiling)).to_series()
    if len(is_bad) != typed.height:
        is_bad = is_bad.new_from_index(0, typed.height)
    columns = [ROW, *dataset.columns]
    bad = typed.filter(is_bad)
    good = typed.select(columns).filter(~is_bad) if bad.height else typed.select(columns)
    _add_good(staged, good, order)
    if bad.height:
        staged.bad.write(_explain(bad[ROW], broken.select(spoiling).filter(is_bad), chunk.cells, order.batch_rules))
        unread = [unparsed(name) for name in dataset.columns if unparsed(name) in bad.columns]
        staged.spoiled.write(bad.select(*columns, pl.struct(unread).hash().alias(SAME)))
    _add_sample(staged, typed, bad)


def _with_arrival(cells: "pl.DataFrame", order: StagingOrder) -> "pl.DataFrame":
    """The cells with those that a table without a time lacks: its arrival and, without a key, the number of a row."""
    import polars as pl

    if not order.dataset.is_arrival:
        return cells
    arrival = order.now.replace(microsecond=0)  # ids of predictions name whole seconds
    cells = cells.with_columns(pl.lit(arrival.isoformat()).alias(ARRIVAL))
    if order.dataset.has_key:
        return cells
    number = pl.col(ROW).cast(pl.String).str.zfill(_DIGITS)  # as texts they are in the order of the file
    return cells.with_columns((pl.lit(f"{order.batch_id[:16]}-") + number).alias(ARRIVAL_ROW))


def _add_good(staged: Staged, good: "pl.DataFrame", order: StagingOrder) -> None:
    import polars as pl

    if good.is_empty():
        return
    time = good[order.dataset.time]
    first, last = time.min(), time.max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        staged.first = min(staged.first or first, first)
        staged.last = max(staged.last or last, last)
        staged.newest_row = max(staged.newest_row or last, last)
    month = pl.col(order.dataset.time).dt.strftime("%Y-%m")
    same = first is not None and last is not None and str(first)[:7] == str(last)[:7]
    named = pl.lit(str(first)[:7]) if same else month
    staged.good.write(good.with_columns(pl.lit(order.batch_id).alias(BATCH), named.alias(MONTH)))


def _add_malformed(staged: Staged, malformed: "pl.DataFrame") -> None:
    import polars as pl

    if malformed.height:
        staged.bad.write(malformed.with_columns(rules=pl.lit([FILE_RECORD])))
        staged.malformed += malformed.height
        staged.counts[FILE_RECORD] = staged.counts.get(FILE_RECORD, 0) + malformed.height


def _add_sample(staged: Staged, typed: "pl.DataFrame", bad: "pl.DataFrame") -> None:
    import polars as pl

    staged.samples.append(_own(typed.filter(pl.col(ROW) % staged.every == 0)))
    while sum(frame.height for frame in staged.samples) > _SAMPLE:
        staged.every *= 2
        staged.samples[:] = [_own(frame.filter(pl.col(ROW) % staged.every == 0)) for frame in staged.samples]
    left = _BAD_SAMPLE - sum(frame.height for frame in staged.bad_samples)
    if bad.height and left > 0:
        staged.bad_samples.append(_own(bad.head(left)))


def _own(frame: "pl.DataFrame") -> "pl.DataFrame":
    """The same rows with texts of their own: a filtered column of texts keeps those of all rows in memory."""
    import polars as pl

    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


def _explain(
    rows: "pl.Series", broken: "pl.DataFrame", cells: "pl.DataFrame", batch_rules: tuple[str, ...]
) -> "pl.DataFrame":
    """Bad rows as quarantine keeps them: `row`, `raw` (JSON of the record's cells), `rules`."""
    import polars as pl

    names: list[pl.Expr] = [pl.when(pl.col(rule)).then(pl.lit(rule)) for rule in broken.columns]
    names += [pl.lit(rule) for rule in batch_rules]
    rules = broken.select(rules=pl.concat_list(names).list.drop_nulls()).with_columns(rows.alias("row"))
    raw = cells.filter(pl.col(ROW).is_in(rows.implode())).select(
        row=ROW, raw=pl.struct(pl.exclude(ROW)).struct.json_encode()
    )
    return rules.join(raw, on="row", how="left").select("row", "raw", "rules").sort("row")
