"""Runs the compiled rules as a Great Expectations suite, which gives the verdict and the counts per rule."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import DataError
from include.validation.rules import Rule, mark, unparsed

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says: the rules that are broken, by how many rows, and its full result.

    The result is empty when no rule is broken.
    """

    broken: dict[str, int]
    document: dict[str, Any]  # as `to_json_dict` gives it: for Data Docs, never looked into here


class Suite:
    """The rules as expectations, in a context that lives as long as this object. Build it once for many frames."""

    def __init__(self, name: str, rules: Sequence[Rule], *, now: datetime) -> None:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when great_expectations is imported
        import great_expectations as gx

        self._rules = tuple(rules)
        self._now = now
        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(False)
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        self._batch = asset.add_batch_definition_whole_dataframe(name)
        self._suite: Any = None
        self._context, self._name = context, name

    def validate(self, frame: "pl.DataFrame") -> Verdict:
        """Run all rules over a frame with typed and helper columns.

        Raises:
            DataError: a rule could not be run, or its result is missing: nothing may be published then.
        """
        if frame.is_empty():
            return Verdict({}, {})
        if self._suite is None:
            self._suite = self._build(frame.columns)
        batch = self._batch.get_batch({"dataframe": _with_given(frame).to_pandas()})
        result = batch.validate(self._suite, result_format="BASIC")
        counts = dict(_counted(one) for one in result.results)
        missing = [rule.name for rule in self._rules if rule.name not in counts]
        if missing:
            raise DataError(f"Great Expectations gave no result for {missing}; nothing is published")
        broken = {rule.name: counts[rule.name] for rule in self._rules if counts[rule.name]}
        return Verdict(broken, result.to_json_dict() if broken else {})  # costs as much as ten rules

    def _build(self, columns: Sequence[str]) -> Any:
        import great_expectations as gx

        suite = gx.ExpectationSuite(self._name)
        for rule in self._rules:
            suite.add_expectation(_expectation(rule, columns, self._now))
        return self._context.suites.add(suite)


def _counted(result: Any) -> tuple[str, int]:
    """The rule's name and the number of rows that break it."""
    name = str(result.expectation_config.meta["rule"])
    if result.exception_info and _raised(result.exception_info):
        raise DataError(f"rule {name} could not be run: {result.exception_info}; nothing is published")
    count = result.result.get("unexpected_count")
    if count is None or bool(result.success) != (count == 0):
        raise DataError(f"rule {name}: success is {result.success} with {count} bad rows; nothing is published")
    return name, int(count)


def _raised(info: Any) -> bool:
    """Whether anything was raised; the information is one record, or one for each metric."""
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(bool(part.get("raised_exception")) for part in info.values())


def _expectation(rule: Rule, columns: Sequence[str], now: datetime) -> Any:
    import great_expectations.expectations as gxe

    say: dict[str, Any] = {"meta": {"rule": rule.name}, "notes": f"{rule.column}: {rule.says}"}
    match rule.kind:
        case "type":
            return gxe.ExpectColumnValuesToBeNull(column=unparsed(rule.column), **say)
        case "null":
            column = _given(rule.column) if unparsed(rule.column) in columns else rule.column
            return gxe.ExpectColumnValuesToNotBeNull(column=column, **say)
        case "range":
            low, high = rule.minimum, rule.maximum
            return gxe.ExpectColumnValuesToBeBetween(column=rule.column, min_value=low, max_value=high, **say)
        case "values":
            return gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=list(rule.values), **say)
        case "regex":
            return gxe.ExpectColumnValuesToMatchRegex(column=rule.column, regex=rule.regex, **say)
        case "future":
            return gxe.ExpectColumnValuesToBeBetween(column=rule.column, max_value=now + rule.tolerance, **say)
        case "past":
            return gxe.ExpectColumnValuesToBeBetween(column=rule.column, min_value=rule.moment, **say)
    return gxe.ExpectColumnValuesToBeNull(column=mark(rule.name), **say)


def _given(column: str) -> str:
    """The helper column that is true where the cell was not empty, readable or not, else null."""
    return f"{column}.given"


def _with_given(frame: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    typed = [name for name in frame.columns if unparsed(name) in frame.columns]
    return frame.with_columns(
        pl.when(pl.col(name).is_not_null() | pl.col(unparsed(name)).is_not_null()).then(True).alias(_given(name))
        for name in typed
    )
