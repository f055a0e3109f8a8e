"""Runs the compiled rules as a Great Expectations suite, which gives the verdict and the counts per rule."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import DataError
from include.validation.rules import Rule, mark, unparsed

if TYPE_CHECKING:
    import pandas as pd
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
        self._counting: _Counting | None = None
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
        rows = _with_given(frame).to_pandas()
        broken = self._count(rows)
        if not broken:
            return Verdict({}, {})
        return Verdict(broken, self._document(rows, broken))

    def _count(self, rows: "pd.DataFrame") -> dict[str, int]:
        """The rules that are broken, by how many rows: of each expectation the one metric that decides it.

        A validation of the whole suite computes the same metrics, and takes ten times as long: it works out again, for
        every frame, what depends on what. All that was needed of 200 small files were these counts.
        """
        if self._counting is None:
            self._counting = _Counting(self._suite, self._name)
        found = self._counting.count(rows)
        missing = [rule.name for rule in self._rules if rule.name not in found]
        if missing:
            raise DataError(f"Great Expectations gave no result for {missing}; nothing is published")
        return {rule.name: found[rule.name] for rule in self._rules if found[rule.name]}

    def _document(self, rows: "pd.DataFrame", broken: dict[str, int]) -> dict[str, Any]:
        """Great Expectations' full result, of which reports and Data Docs are made."""
        result = self._batch.get_batch({"dataframe": rows}).validate(self._suite, result_format="BASIC")
        counts = {name: count for name, count in map(_counted, result.results) if count}
        if counts != broken:
            raise DataError(f"Great Expectations counts {broken} by metric and {counts} by suite; nothing is published")
        document: dict[str, Any] = result.to_json_dict()
        return document

    def _build(self, columns: Sequence[str]) -> Any:
        import great_expectations as gx

        suite = gx.ExpectationSuite(self._name)
        for rule in self._rules:
            suite.add_expectation(_expectation(rule, columns, self._now))
        return self._context.suites.add(suite)


class _Counting:
    """The suite's deciding metrics and what they depend on, worked out once for many frames of the same columns."""

    def __init__(self, suite: Any, name: str) -> None:
        from great_expectations.execution_engine import PandasExecutionEngine
        from great_expectations.validator.metrics_calculator import MetricsCalculator

        self._name = name
        self._engine = PandasExecutionEngine()
        self._calculator = MetricsCalculator(self._engine, show_progress_bars=False)
        self._expectations = suite.expectations
        self._metrics: dict[str, Any] = {}
        self._graph: Any = None

    def count(self, rows: "pd.DataFrame") -> dict[str, int]:
        """The number of rows that break each rule.

        Raises:
            DataError: a rule could not be run.
        """
        self._engine.load_batch_data(self._name, rows)
        if self._graph is None:
            self._metrics = {
                str(one.meta["rule"]): _deciding_metric(one, self._engine) for one in self._expectations
            }  # fmt: skip
            self._graph = self._calculator.build_metric_dependency_graph(list(self._metrics.values()))
        found, failed = self._calculator.resolve_validation_graph_and_handle_aborted_metrics_info(self._graph)
        for name, metric in self._metrics.items():
            if found.get(metric.id) is None:
                raise DataError(f"rule {name} could not be run: {failed}; nothing is published")
        return {name: int(found[metric.id]) for name, metric in self._metrics.items()}


def _deciding_metric(expectation: Any, engine: Any) -> Any:
    """The number of rows that break an expectation about single rows: it holds exactly where this is zero."""
    needed = expectation.get_validation_dependencies(engine, {"result_format": {"result_format": "BASIC"}})
    return needed.metric_configurations[f"{expectation.map_metric}.unexpected_count"]


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
