"""Checks one batch: which of its rows are good, which are bad and why, or why all of it is rejected."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.config.schema import Model
from include.data.csv_file import CsvText
from include.data.dataset import ROW, Snapshot
from include.data.duplicates import compare_with_dataset, drop_repeated
from include.data.parsing import parse_cells
from include.errors import DataError
from include.validation.expectations import Suite
from include.validation.masks import broken_rules
from include.validation.rules import compile_rules

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class CheckedBatch:
    """A batch after all checks. With `reasons` it is rejected whole; `good` and `bad` then only explain."""

    good: "pl.DataFrame"  # `_row` and the declared columns
    bad: "pl.DataFrame"  # `row`, `raw` (JSON of the record's cells), `rules`
    rows_read: int
    rows_dropped: int
    broken_rules: dict[str, int]
    warnings: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    validation: dict[str, Any] = field(default_factory=dict)  # Great Expectations' result, for Data Docs


def check_batch(
    text: CsvText, name: str, model: Model, snapshot: Snapshot, suite: Suite, *, now: datetime
) -> CheckedBatch:
    """Check the records of a file against the model's rules and against the dataset.

    The masks say which rows are bad; Great Expectations says how many break each rule. Nothing is accepted unless
    both agree.

    Args:
        text: the file's records.
        name: the file's name, for messages.
        model: the declared columns and limits.
        snapshot: the dataset that the keys are compared with.
        suite: the same rules as expectations.
        now: the time of the ingest.

    Raises:
        DataError: the schema is not as declared, or a rule could not be run.
    """
    import polars as pl

    typed = parse_cells(text.cells, model.dataset, model.source.format.decimal, name)
    distinct = drop_repeated(typed)
    frame = compare_with_dataset(distinct, snapshot, model.dataset)
    broken = broken_rules(frame, compile_rules(model.dataset), now=now)
    counts = {rule: count for rule, count in broken.sum().row(0, named=True).items() if count}
    verdict = suite.validate(frame)
    if verdict.broken != counts:
        raise DataError(
            f"{name}: the two checks disagree, so nothing is published; Great Expectations counts {verdict.broken},"
            f" the masks {counts}. This is a fault of the rules: report it with the file."
        )
    is_bad = frame.select(pl.any_horizontal(broken)).to_series() if broken.width else pl.Series([False])
    good = frame.filter(~is_bad).select(ROW, *model.dataset.columns)
    bad = _explain(frame[ROW].filter(is_bad), broken.filter(is_bad), text.cells)
    return CheckedBatch(
        good=good,
        bad=bad,
        rows_read=typed.height + text.blank_records,
        rows_dropped=typed.height - frame.height + text.blank_records,
        broken_rules=counts,
        warnings=(*text.warnings, *_dropped(text.blank_records, typed, distinct, frame)),
        reasons=_too_many(bad.height, distinct.height, counts, model.dataset.max_bad_share),
        validation=verdict.document,
    )


def _explain(rows: "pl.Series", broken: "pl.DataFrame", cells: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    names = pl.concat_list(pl.when(pl.col(rule)).then(pl.lit(rule)) for rule in broken.columns).list.drop_nulls()
    rules = broken.select(rules=names).with_columns(rows.alias("row"))
    raw = cells.filter(pl.col(ROW).is_in(rows.implode())).select(
        row=ROW, raw=pl.struct(pl.exclude(ROW)).struct.json_encode()
    )
    return rules.join(raw, on="row", how="left").select("row", "raw", "rules").sort("row")


def _dropped(blank: int, typed: "pl.DataFrame", distinct: "pl.DataFrame", frame: "pl.DataFrame") -> list[str]:
    counted = {
        "blank records dropped": blank,
        "duplicate key: rows equal to another row of the batch dropped": typed.height - distinct.height,
        "rows dropped that the dataset holds already": distinct.height - frame.height,
    }
    return [f"{what}: {count}" for what, count in counted.items() if count]


def _too_many(bad: int, rows: int, counts: dict[str, int], limit: float) -> tuple[str, ...]:
    if bad <= limit * rows:
        return ()
    rules = ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items(), key=lambda item: -item[1]))
    reason = (
        f"{bad} of {rows} rows are bad ({bad / rows:.1%}), more than dataset.max_bad_share ({limit:.1%}) allows; by"
        f" rule: {rules}. Repair the source and deliver the file again."
    )
    return (reason,)
