"""Runs the compiled rules as a Great Expectations suite, which gives the verdict and the counts per rule."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from almanac.errors import DataError
from almanac.validation.rules import Rule, mark, unparsed
from almanac.validation.suite_graph import SuiteGraph

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class SuiteVerdict:
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
        self._name = name
        self._graph: SuiteGraph | None = None
        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(False)

    def validate(self, frame: "pl.DataFrame") -> SuiteVerdict:
        """Run all rules over a frame with typed and helper columns.

        Raises:
            DataError: a rule could not be run, or its result is missing: nothing may be published then.
        """
        if frame.is_empty():
            return SuiteVerdict({}, {})
        if self._graph is None:
            self._graph = SuiteGraph(self._build(frame.columns))
        broken = self._count(self._graph, frame)
        return SuiteVerdict(broken, _document(self._graph, self._name, broken)) if broken else SuiteVerdict({}, {})

    def _count(self, graph: SuiteGraph, frame: "pl.DataFrame") -> dict[str, int]:
        found = graph.count(_with_given(frame).to_pandas())
        missing = [rule.name for rule in self._rules if rule.name not in found]
        if missing:
            raise DataError(f"Great Expectations gave no result for {missing}; nothing is published")
        return {rule.name: found[rule.name] for rule in self._rules if found[rule.name]}

    def _build(self, columns: Sequence[str]) -> Any:
        import great_expectations as gx

        # added one by one, each would be compared with all before it, and dropped where only the rule's name differs
        expectations = [_expectation(rule, columns, self._now) for rule in self._rules]
        return gx.ExpectationSuite(self._name, expectations=expectations)


def _document(graph: SuiteGraph, name: str, broken: dict[str, int]) -> dict[str, Any]:
    """Great Expectations' result of the whole suite, of which reports and Data Docs are made."""
    from great_expectations import __version__
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.validator.validation_statistics import calc_validation_statistics

    results = graph.results()
    counts = {name: count for name, count in map(_counted, results) if count}
    if counts != broken:
        raise DataError(f"Great Expectations counts {broken} and then {counts}; nothing is published")
    statistics = calc_validation_statistics(results)._asdict()
    result = ExpectationSuiteValidationResult(
        results=results,
        success=bool(statistics.pop("success")),
        suite_name=name,
        statistics=statistics,
        meta={"great_expectations_version": __version__},
    )
    document: dict[str, Any] = result.to_json_dict()
    return document


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
