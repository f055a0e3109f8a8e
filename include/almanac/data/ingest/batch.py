"""Checks one batch: which of its rows are good, which are bad and why, or why all of it is rejected."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Declared
from almanac.config.sections.dataset import Dataset
from almanac.data.formats.reader import RecordReader
from almanac.data.ingest.duplicates import SAME, Duplicates, find_duplicates
from almanac.data.ingest.reference import reference_rows, usual_rows
from almanac.data.ingest.staging import Staged, StagingOrder, stage
from almanac.data.table.data_files import table_location
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import read_errors
from almanac.data.table.part_files import PartFile, iterate
from almanac.errors import DataError
from almanac.validation.expectations import Suite
from almanac.validation.findings import BatchFinding
from almanac.validation.masks import broken_rules
from almanac.validation.rules import FILE_RECORD, Rule, compile_rules
from almanac.validation.skew import BatchFacts, find_skew

if TYPE_CHECKING:
    import polars as pl

_EXAMPLE = 120  # characters of a bad row that a reason quotes


@dataclass(frozen=True)
class CheckedBatch:
    """A batch after all checks. With `reasons` it is rejected whole; what was found then only explains.

    Attributes:
        parts: files of the good rows, by month.
        bad_files: Parquet files of `row`, `raw` (JSON of the record's cells) and `rules`.
        replaced: published rows that the good rows correct.
        first: the first event time of the good rows, `last` the last.
        validation: Great Expectations' result, for Data Docs.
    """

    parts: tuple[PartFile, ...]
    bad_files: tuple[Path, ...]
    good_rows: int
    bad_rows: int
    rows_read: int
    rows_dropped: int
    broken_rules: dict[str, int]
    warnings: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    replaced: "tuple[pl.DataFrame, ...]" = ()
    reasons: tuple[str, ...] = ()
    validation: dict[str, Any] = field(default_factory=dict)

    def bad(self, limit: int | None = None) -> "pl.DataFrame":
        """The bad rows in the order of the file, or the first of them."""
        import polars as pl

        if not self.bad_files:
            return pl.DataFrame(schema={"row": pl.Int64, "raw": pl.String, "rules": pl.List(pl.String)})
        rows = pl.scan_parquet(list(self.bad_files))
        return (rows if limit is None else rows.head(limit)).collect().sort("row")


def check_batch(
    records: RecordReader,
    name: str,
    batch_id: str,
    model: Declared,
    snapshot: DatasetSnapshot,
    suite: Suite,
    *,
    now: datetime,
    folder: Path,
) -> CheckedBatch | None:
    """Check the records of a file against the model's rules and against the dataset; None: there are no records.

    The masks say which rows are bad; Great Expectations says how many break each rule, of all rows of a small batch,
    of a sample of a large one. Nothing is accepted unless both agree.

    Args:
        records: the file's records.
        name: the file's name, for messages.
        batch_id: the SHA-256 of the file.
        model: the declared columns and limits.
        snapshot: the dataset that the keys are compared with.
        suite: the same rules as expectations.
        now: the time of the ingest.
        folder: where the checked rows are written.

    Raises:
        DataError: the schema is not as declared, or a rule could not be run.
        TransientError: the dataset's store is unreachable.
    """
    dataset = model.dataset
    published = "no dataset" if snapshot.table is None else table_location(snapshot.table)
    order = StagingOrder(name, batch_id, dataset, compile_rules(dataset), _newest(snapshot, dataset), now)
    staged = stage(records, folder, order)
    if staged.rows_read == staged.blank:
        return None
    with read_errors(published):
        duplicates = _find_duplicates(staged, snapshot, order)
    order = replace(order, duplicates=duplicates)
    if duplicates.found_any():
        staged = stage(records, folder, order)
    with read_errors(published):
        findings = _find_skew(staged, snapshot, dataset, now)
    quarantining = tuple(one.rule for one in findings if one.action == "quarantine")
    document = _agreed(staged, order, suite)
    if quarantining:
        staged = stage(records, folder, replace(order, batch_rules=quarantining))
    return _checked(staged, records, order, findings, document)


def _newest(snapshot: DatasetSnapshot, dataset: Dataset) -> datetime | None:
    return snapshot.newest() if dataset.late_after is not None else None


def _find_skew(staged: Staged, snapshot: DatasetSnapshot, dataset: Dataset, now: datetime) -> tuple[BatchFinding, ...]:
    sample = staged.sample()
    if dataset.skew is None or sample.is_empty():
        return ()
    reference = reference_rows(sample, snapshot, dataset, dataset.skew)
    rows = sum(part.rows for part in staged.parts)
    facts = BatchFacts(rows, staged.first, staged.last, usual_rows(snapshot))
    return find_skew(sample, reference, facts, dataset, now=now)


def _find_duplicates(staged: Staged, snapshot: DatasetSnapshot, order: StagingOrder) -> Duplicates:
    import polars as pl

    columns = ["_row", *order.dataset.columns]
    frames = [pl.scan_parquet(part.path).select(columns) for part in staged.parts]
    frames += [pl.scan_parquet(path) for path in staged.spoiled.paths()]
    if not frames:
        return Duplicates()
    rows = pl.concat(frames, how="diagonal")
    if not staged.spoiled.rows:
        rows = rows.with_columns(pl.lit(None, pl.UInt64).alias(SAME))
    count = sum(part.rows for part in staged.parts) + staged.spoiled.rows
    return find_duplicates(rows, count, snapshot, order.dataset, order.rules)


def _agreed(staged: Staged, order: StagingOrder, suite: Suite) -> dict[str, Any]:
    """Let both judge the sample, and return Great Expectations' document.

    Raises:
        DataError: they disagree.
    """
    sample = staged.sample_with_bad()
    if sample.is_empty():
        return {}
    broken = broken_rules(sample, order.rules, now=order.now)
    counts = {rule: count for rule, count in broken.sum().row(0, named=True).items() if count}
    verdict = suite.validate(sample)
    if verdict.broken != counts:
        raise DataError(
            f"{order.name}: the two checks disagree, so nothing is published; Great Expectations counts"
            f" {verdict.broken}, the masks {counts}. This is a bug in the rules: report it with the file."
        )
    return verdict.document


def _checked(
    staged: Staged,
    records: RecordReader,
    order: StagingOrder,
    findings: tuple[BatchFinding, ...],
    document: dict[str, Any],
) -> CheckedBatch:
    duplicates = order.duplicates
    in_batch, in_dataset, superseded = (
        sum(map(len, rows)) for rows in (duplicates.in_batch, duplicates.in_dataset, duplicates.superseded)
    )
    kept = {rule.name for rule in order.rules if rule.action == "warn"}
    counts = {rule: count for rule, count in staged.counts.items() if count}
    good = sum(part.rows for part in staged.parts)
    whole = [one for one in findings if one.action == "quarantine"]
    counts |= {one.rule: staged.bad.rows for one in whole}
    replaced = sum(frame.height for frame in duplicates.replaced)
    messages = {
        "blank records dropped": staged.blank,
        "duplicate key: rows equal to another row of the batch dropped": in_batch,
        "rows dropped that the dataset already holds": in_dataset,
        "rows dropped that have a newer revision": superseded,
        "correction: published rows replaced": replaced,
        **{f"{rule}: rows kept although they break it": count for rule, count in counts.items() if rule in kept},
    }
    rows = staged.rows_read - staged.blank - in_batch
    reasons = [] if whole else _too_many(staged, rows, counts, order)
    return CheckedBatch(
        parts=tuple(staged.parts),
        bad_files=tuple(staged.bad.paths()),
        good_rows=good,
        bad_rows=staged.bad.rows,
        rows_read=staged.rows_read,
        rows_dropped=staged.blank + in_batch + in_dataset + superseded,
        broken_rules={rule: count for rule, count in counts.items() if rule not in kept},
        warnings=(
            *records.warnings,
            *(f"{what}: {count}" for what, count in messages.items() if count),
            *(f"{one.rule}: {one.text}" for one in findings if one.action == "warn"),
        ),
        first=staged.first,
        last=staged.last,
        replaced=duplicates.replaced,
        reasons=(*reasons, *_refused(counts, order.rules, findings, order.name)),
        validation=document,
    )


def _refused(
    counts: dict[str, int], rules: tuple[Rule, ...], findings: tuple[BatchFinding, ...], name: str
) -> list[str]:
    """Why the batch is rejected by rules that say so themselves."""
    strict = [rule for rule in rules if rule.action == "reject" and rule.name in counts]
    reasons = [f"{name}: {one.name}: {counts[one.name]} rows; expected {one.says}. Repair them." for one in strict]
    return reasons + [f"{name}: {one.rule}: {one.text}" for one in findings if one.action == "reject"]


def _too_many(staged: Staged, rows: int, counts: dict[str, int], order: StagingOrder) -> list[str]:
    bad, limit = staged.bad.rows, order.dataset.max_bad_share
    if bad <= limit * rows:
        return []
    worst = sorted(counts.items(), key=lambda item: -item[1])
    by_rule = ", ".join(f"{rule} {count}" for rule, count in worst)
    reason = (
        f"{bad} of {rows} rows are bad ({bad / rows:.1%}), more than dataset.max_bad_share ({limit:.1%}) allows; by"
        f" rule: {by_rule}.{_first_that_breaks(worst[0][0], staged, order.rules)} Repair the source and deliver the"
        f" file again."
    )
    return [reason]


def _first_that_breaks(name: str, staged: Staged, rules: tuple[Rule, ...]) -> str:
    """The first row that breaks a rule, in words; nothing where only kept rows break it."""
    import polars as pl

    breaking = (rows.filter(pl.col("rules").list.contains(name)) for rows in iterate(staged.bad.paths()))
    first = next((rows for rows in breaking if rows.height), None)  # of millions of bad rows only some are read
    if first is None:
        return ""
    row, raw = first.select("row", "raw").row(0)
    cells = json.loads(raw)
    says = {rule.name: rule.says for rule in rules} | {FILE_RECORD: "a record with the columns of the header"}
    column = {rule.name: rule.column for rule in rules}.get(name, "record")
    got = cells.get(column, raw)
    return f" The first one is record {row}: got {str(got)[:_EXAMPLE]!r}, expected {says[name]}."
