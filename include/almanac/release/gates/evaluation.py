"""What gates are given and what they give back."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from almanac.config.grammar.metric import Metric
from almanac.config.schema import Model
from almanac.statistics import metrics
from almanac.training.export.parity import ParityReport
from almanac.training.export.speed import Speed
from almanac.training.leaks import LeakReport

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GateResult:
    """One verdict.

    Attributes:
        name: of the gate, with the metric or the segment in brackets.
        passed: whether the candidate may go on.
        measured: the figure; None when there is none.
        limit: what the figure was held against; None when there was nothing to hold it against.
        reason: the verdict in words, with the figures.
        difference: from another version, as it was observed; `measured` is an end of its interval.
        ask: it passed, but a person must look before it goes into production.
    """

    name: str
    passed: bool
    measured: float | None
    limit: float | None
    reason: str
    ask: bool = False
    difference: float | None = None


@dataclass(frozen=True, eq=False)
class Served:
    """The candidate as it would be served, and rows to ask it about.

    Attributes:
        onnx: the graph's bytes.
        mlmodel: what MLflow wrote about the graph, as YAML.
        frame: the hold-out's rows of the dataset and those before them that their features need.
        rows: the numbers of the hold-out's rows in `frame`, [n].
    """

    onnx: bytes
    mlmodel: str
    frame: "pl.DataFrame"
    rows: "NDArray[np.uint32]"


@dataclass(frozen=True, eq=False)
class Reference:
    """The best version of the last year, on the candidate's hold-out.

    Attributes:
        version: its number; the champion's when that is the best.
        why: how it was chosen, in words.
        answers: what it foretells for the hold-out's rows, [n]; None when it cannot, or is the champion.
        fault: why it cannot, in words.
        threshold: from which probability on it says yes.
    """

    version: str
    why: str
    answers: "NDArray[np.float64] | None" = None
    fault: str = ""
    threshold: float = metrics.THRESHOLD


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known about a candidate when it is judged.

    Attributes:
        backtest: `time`, `fold`, `label`, `answer` and one column per naive rule; the last fold is the hold-out.
        parity: of its ONNX graph; None when it was not measured.
        champion: number of the version in production; empty when there is none.
        champion_answers: what the champion foretells for the hold-out's rows, [n]; None when it cannot.
        champion_fault: why it cannot, in words.
        news: what the candidate is made of that the champion is not, in words; empty: nothing.
        best: the best version of the last year; None when nobody looked for it.
        train_metrics: what the candidate measures on its own training rows, by metric.
        served: its graph; None when there is none to ask.
        speed: of the graph; None when it was not measured.
        leaks: what its features know of the label; None when that was not measured.
        threshold: from which probability on the candidate says yes, and
        champion_threshold: the champion.
    """

    backtest: "pl.DataFrame"
    parity: ParityReport | None
    champion: str = ""
    champion_answers: "NDArray[np.float64] | None" = None
    champion_fault: str = ""
    news: str = ""
    best: Reference | None = None
    train_metrics: Mapping[str, float] = field(default_factory=dict)
    served: Served | None = None
    speed: Speed | None = None
    leaks: LeakReport | None = None
    threshold: float = metrics.THRESHOLD
    champion_threshold: float = metrics.THRESHOLD

    @property
    def holdout(self) -> "pl.DataFrame":
        """The rows of the last fold."""
        return self.backtest.filter(self.backtest["fold"] == self.backtest["fold"].max())


Gate = Callable[[Model, Evaluation], list[GateResult]]


def closed(name: str, gate: Gate, model: Model, evaluation: Evaluation) -> list[GateResult]:
    """Run a gate so that whatever goes wrong in it, and silence, refuses."""
    try:
        results = gate(model, evaluation)
    except Exception as error:  # noqa: BLE001 - a gate that cannot be computed has not been passed, whatever the cause
        return [refuse(name, f"cannot be computed: {type(error).__name__}: {error}")]
    return [_finite(result) for result in results] or [refuse(name, "gave no result")]


def refuse(name: str, reason: str) -> GateResult:
    """A refusal for want of a figure."""
    return GateResult(name, False, None, None, reason)


def measure(metric: Metric, rows: "pl.DataFrame", column: str, *, threshold: float = metrics.THRESHOLD) -> float:
    """One metric of one column of predictions against `label`; naive rules say yes from a half on."""
    return metrics.measure(metric, rows["label"].to_numpy(), rows[column].to_numpy(), threshold=threshold)


def _finite(result: GateResult) -> GateResult:
    figures = (result.measured, result.limit)
    if all(figure is None or math.isfinite(figure) for figure in figures):
        return result
    return replace(result, passed=False, measured=None, limit=None, reason=f"not a finite figure: {result.reason}")
