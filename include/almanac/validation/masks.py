"""Finds the rows that break each rule, vectorised."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.grammar.expression import compile_expression
from almanac.validation.rules import Rule, mark, unparsed

if TYPE_CHECKING:
    import polars as pl


def broken_rules(frame: "pl.DataFrame", rules: Sequence[Rule], *, now: datetime) -> "pl.DataFrame":
    """One boolean column per rule, named like the rule; true where the row breaks it.

    Args:
        frame: typed columns with the helper columns of `almanac.data.ingest.parsing` and `mark_rows`.
        rules: the compiled rules.
        now: the time of the ingest.
    """
    import polars as pl

    return frame.select(_broken(rule, frame, now).fill_null(False).alias(rule.name) for rule in rules).cast(pl.Boolean)


def mark_rows(
    frame: "pl.DataFrame", rules: Sequence[Rule], *, newest: datetime | None, before: datetime | None
) -> "pl.DataFrame":
    """Mark the rows that break rules which need more than the row: its place in the file, or the dataset.

    What only a look at all rows can tell (`unique`, `conflict`, `conflict_with_dataset`) is marked by its own
    check; without that, nothing is marked here.

    Args:
        frame: typed columns.
        rules: the compiled rules.
        newest: the newest published event time.
        before: the newest event time among the rows of the file above this frame.
    """
    import polars as pl

    marks = []
    for rule in rules:
        name = mark(rule.name)
        time = pl.col(rule.column)
        match rule.kind:
            case "late":
                broken = pl.lit(False) if newest is None else time < newest - rule.tolerance
            case "order":
                above = pl.max_horizontal(
                    time.cum_max().forward_fill().shift(1), pl.lit(before, pl.Datetime("us", "UTC"))
                )
                broken = time < above
            case "that":
                broken = ~compile_expression(rule.condition)
            case "regex":
                broken = ~pl.col(rule.column).str.contains(rule.regex)
            case _ if rule.is_marked and name not in frame.columns:
                broken = pl.lit(False)
            case _:
                continue
        marks.append(pl.when(broken).then(True).alias(name))
    return frame.with_columns(marks)


def _broken(rule: Rule, frame: "pl.DataFrame", now: datetime) -> "pl.Expr":
    import polars as pl

    if rule.is_marked:
        return pl.col(mark(rule.name)).is_not_null()
    column = pl.col(rule.column)
    match rule.kind:
        case "type":
            return pl.col(unparsed(rule.column)).is_not_null()
        case "null" if unparsed(rule.column) in frame.columns:
            return column.is_null() & pl.col(unparsed(rule.column)).is_null()
        case "null":
            return column.is_null()
        case "range":
            low = pl.lit(False) if rule.minimum is None else column < rule.minimum
            high = pl.lit(False) if rule.maximum is None else column > rule.maximum
            return low | high
        case "values":
            return ~column.is_in(rule.values)
        case "future":
            return column > now + rule.tolerance
        case "past":
            return column < rule.moment
    raise ValueError(f"{rule.name}: no mask for rules of kind {rule.kind}")
