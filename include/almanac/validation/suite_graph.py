"""What a suite's expectations need of a frame, worked out once and computed for many frames by Great Expectations.

Its own validation of a suite works out again, for every frame, what depends on what: for a small file that takes ten
times as long as the computing. Metrics, their providers, and each expectation's judgement of them are its own here too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from almanac.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = "BASIC"  # counts, and some of the values that break the rule


class SuiteGraph:
    """A suite over frames of the same columns. Each of its expectations carries `rule` in its `meta`."""

    def __init__(self, suite: Any) -> None:
        from great_expectations.execution_engine import PandasExecutionEngine
        from great_expectations.validator.metrics_calculator import MetricsCalculator

        self._name = str(suite.name)
        self._engine = PandasExecutionEngine()
        self._calculator = MetricsCalculator(self._engine, show_progress_bars=False)
        self._expectations = {str(one.meta["rule"]): one for one in suite.expectations}
        self._needed: dict[str, dict[str, Any]] = {}  # rule -> name of the metric -> the metric
        self._counting: Any = None  # the graphs
        self._judging: Any = None

    def count(self, rows: "pd.DataFrame") -> dict[str, int]:
        """The number of rows that break each rule: of each expectation the one metric that decides it.

        Raises:
            DataError: a rule could not be run.
        """
        self._engine.load_batch_data(self._name, rows)
        if self._counting is None:
            runtime = {"result_format": {"result_format": _FORMAT}}
            self._needed = {
                rule: one.get_validation_dependencies(self._engine, runtime).metric_configurations
                for rule, one in self._expectations.items()
            }
            metrics = [self._needed[rule][_deciding(one)] for rule, one in self._expectations.items()]
            self._counting = self._calculator.build_metric_dependency_graph(metrics)
        found = self._resolved(self._counting)
        return {rule: int(found(rule, _deciding(one))) for rule, one in self._expectations.items()}

    def results(self) -> list[Any]:
        """Each expectation's result for the rows that were counted last, as an `ExpectationValidationResult`.

        Raises:
            DataError: a rule could not be run.
        """
        from great_expectations.core.expectation_validation_result import ExpectationValidationResult

        if self._judging is None:
            everything = [metric for needed in self._needed.values() for metric in needed.values()]
            self._judging = self._calculator.build_metric_dependency_graph(everything)
        found = self._resolved(self._judging)
        results = []
        for rule, one in self._expectations.items():
            metrics = {name: found(rule, name) for name in self._needed[rule]}
            # `_validate` is what Great Expectations asks of every expectation: metrics in, judgement out.
            result = one._validate(metrics, {"result_format": _FORMAT}, self._engine)
            results.append(ExpectationValidationResult(**result, expectation_config=one.configuration))
        return results

    def _resolved(self, graph: Any) -> Callable[[str, str], Any]:
        """Compute the graph; what is returned gives a rule's metric by its name."""
        found, failed = self._calculator.resolve_validation_graph_and_handle_aborted_metrics_info(graph)

        def metric(rule: str, name: str) -> Any:
            value = found.get(self._needed[rule][name].id)
            if value is None:
                raise DataError(f"rule {rule} could not be run: {failed}; nothing is published")
            return value

        return metric


def _deciding(expectation: Any) -> str:
    """The number of rows that break an expectation about single rows: it holds exactly where this is zero."""
    return f"{expectation.map_metric}.unexpected_count"
