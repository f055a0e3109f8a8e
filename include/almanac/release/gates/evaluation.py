"""Input and output of the gates."""

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
    """The result of one gate.

    Attributes:
        name: of the gate, with the metric or the segment in brackets.
        passed: whether the candidate passed.
        measured: the figure; None: there is none.
        limit: the limit of the figure; None: there is none.
        reason: the result in words, with the figures.
        difference: the observed gain over another version; `measured` is one end of its interval.
        baseline: the same figure of the best baseline.
        ask: it passed, but a person must approve the candidate.
    """

    name: str
    passed: bool
    measured: float | None
    limit: float | None
    reason: str
    ask: bool = False
    difference: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, eq=False)
class Served:
    """The candidate as it is served, and rows to test it on.

    Attributes:
        onnx: the graph's bytes.
        mlmodel: MLflow's description of the graph, YAML.
        frame: the hold-out's rows of the dataset, with the history that their features need.
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
        why: how it was chosen.
        predictions: its predictions for the hold-out's rows, [n]; None: it cannot be measured, or is the champion.
        fault: why it cannot be measured.
        threshold: the probability from which on its label is 1.
    """

    version: str
    why: str
    predictions: "NDArray[np.float64] | None" = None
    fault: str = ""
    threshold: float = metrics.THRESHOLD


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All measurements of a candidate that its gates use.

    Attributes:
        backtest: `time`, `fold`, `label`, `answer` and one column per baseline; the last fold is the hold-out.
        parity: of its ONNX graph; None: it was not measured.
        champion: number of the version in production; empty: there is none.
        champion_predictions: the champion's predictions for the hold-out's rows, [n]; None: it cannot be measured.
        champion_problem: why it cannot be measured.
        champion_split: the champion's split, where it was trained on rows of this hold-out; empty: it was not.
        news: what is new in the candidate compared with the champion; empty: nothing.
        best: the best version of the last year; None: it was not determined.
        train_metrics: the candidate's figures on its own training rows, by metric.
        served: its graph; None: there is none.
        speed: of the graph; None: it was not measured.
        leaks: what its features know of the label; None: it was not measured.
        threshold: the probability from which on the candidate's label is 1.
        champion_threshold: the probability from which on the champion's label is 1.
    """

    backtest: "pl.DataFrame"
    parity: ParityReport | None
    champion: str = ""
    champion_predictions: "NDArray[np.float64] | None" = None
    champion_problem: str = ""
    champion_split: str = ""
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
    """Run a gate so that it fails closed: an error, or no result, refuses."""
    try:
        results = gate(model, evaluation)
    except Exception as error:  # noqa: BLE001 - a gate that cannot be computed is not passed, whatever the cause
        return [refuse(name, f"cannot be computed: {type(error).__name__}: {error}")]
    return [_finite(result) for result in results] or [refuse(name, "gave no result")]


def refuse(name: str, reason: str) -> GateResult:
    """A refusal without a figure."""
    return GateResult(name, False, None, None, reason)


def measure(metric: Metric, rows: "pl.DataFrame", column: str, *, threshold: float = metrics.THRESHOLD) -> float:
    """One metric of one column of predictions against `label`; the threshold of baselines is 0.5."""
    return metrics.measure(metric, rows["label"].to_numpy(), rows[column].to_numpy(), threshold=threshold)


def _finite(result: GateResult) -> GateResult:
    figures = (result.measured, result.limit)
    if all(figure is None or math.isfinite(figure) for figure in figures):
        return result
    return replace(
        result, passed=False, measured=None, limit=None, baseline=None, reason=f"not a finite figure: {result.reason}"
    )
