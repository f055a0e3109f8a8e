"""Finds the rows that break each rule, vectorised."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from include.validation.rules import IN_DATASET, Rule, given, unparsed

if TYPE_CHECKING:
    import polars as pl


def broken_rules(frame: "pl.DataFrame", rules: Sequence[Rule], *, now: datetime) -> "pl.DataFrame":
    """One boolean column per rule, named like the rule; true where the row breaks it.

    Args:
        frame: typed columns with the helper columns of `include.data.parsing`.
        rules: the compiled rules.
        now: the time of the ingest.
    """
    import polars as pl

    return frame.select(_broken(rule, frame, now).fill_null(False).alias(rule.name) for rule in rules).cast(pl.Boolean)


def _broken(rule: Rule, frame: "pl.DataFrame", now: datetime) -> "pl.Expr":
    import polars as pl

    column = pl.col(rule.column)
    match rule.kind:
        case "type":
            return pl.col(unparsed(rule.column)).is_not_null()
        case "null":
            return pl.col(given(rule.column) if given(rule.column) in frame.columns else rule.column).is_null()
        case "range":
            low = pl.lit(False) if rule.minimum is None else column < rule.minimum
            high = pl.lit(False) if rule.maximum is None else column > rule.maximum
            return low | high
        case "values":
            return ~column.is_in(rule.values)
        case "future":
            return column > now
        case "conflict":
            whole = pl.all_horizontal(pl.col(name).is_not_null() for name in rule.key)
            return whole & (pl.len().over(rule.key) > 1)
        case "conflict_with_dataset":
            return pl.col(IN_DATASET).is_not_null()
