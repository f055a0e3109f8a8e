"""The model card: one self-contained HTML page about a candidate's purpose, figures, gates and origin.

Source: Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.journal.records import Decision
from almanac.programs.pictures import ProgramReport
from almanac.release.gates import GateResult
from almanac.reporting.templates import render
from almanac.statistics.class_metrics import top_label
from almanac.training.export.speed import Speed
from almanac.training.passport import Passport

if TYPE_CHECKING:
    import polars as pl

_BESIDE_FOLDS = "Each point is a model trained on rows of neither its fold nor the hold-out, which is the last fold."
_BEFORE_FOLDS = "Each point is a model trained on the rows before its fold; the last fold is the hold-out."


@dataclass(frozen=True)
class CardPlot:
    """One plot and the text below it; `svg` is markup of our own."""

    title: str
    text: str
    svg: str


def render_card(
    model: Model,
    passport: Passport,
    backtest: "pl.DataFrame",
    decision: Decision,
    results: Sequence[GateResult],
    speed: Speed | None,
    report: ProgramReport | None = None,
) -> str:
    """The page as text.

    Args:
        model: the declaration that it was judged by.
        passport: of the candidate.
        backtest: `time`, `fold`, `label`, `answer` and one column per baseline.
        decision: of the gates.
        results: of the gates.
        speed: sizes and latencies; None: they could not be measured.
        report: what the program that trained it has left for people; None: an estimator was fitted.
    """
    metrics = passport.metrics
    return render(
        "release/model_card.html.j2",
        model=model,
        passport=passport,
        decision=decision,
        results=results,
        speed=speed,
        headline=_headline(decision),
        horizon=format_duration(model.label.horizon),
        metrics=sorted({*metrics.train, *metrics.holdout}),
        baselines=[name for name, values in metrics.baselines.items() if values],
        pictures=_pictures(model, backtest, passport.threshold, speed),
        report=report or ProgramReport(),
    )


def _headline(decision: Decision) -> str:
    if not decision.accepted:
        return "Refused by its gates: it is not registered"
    return "Passed its gates; a person must approve it" if decision.ask else "Passed all its gates"


def _predictions(model: Model, holdout: "pl.DataFrame") -> list[CardPlot]:
    """Predictions against the truth, in the form of the model's kind of label."""
    from almanac.release import card_plots

    bins, labels, answers = model.gates.calibration.bins, holdout["label"].to_numpy(), holdout["answer"].to_numpy()
    if model.label.kind is NUMBER:
        return [CardPlot("Predicted and true numbers", *card_plots.misses(holdout))]
    if model.label.classes is None:
        return [CardPlot("Calibration of its probabilities", *card_plots.reliability(labels, answers, bins))]
    return [
        CardPlot("Confusion of the classes", *card_plots.confused(labels, answers, model.label.classes)),
        CardPlot("Calibration of the predicted class", *card_plots.reliability(*top_label(labels, answers), bins)),
    ]


def _pictures(model: Model, backtest: "pl.DataFrame", threshold: float, speed: Speed | None) -> list[CardPlot]:
    from almanac.release import card_plots

    holdout = backtest.filter(backtest["fold"] == backtest["fold"].max())
    metric = model.gates.baselines.metric
    folds = _BESIDE_FOLDS if model.dataset.is_arrival else _BEFORE_FOLDS
    pictures = [
        *_predictions(model, holdout),
        CardPlot(f"{metric} over the folds", folds, card_plots.folds(backtest, metric, threshold)),
    ]
    if speed is not None:
        text = "Fastest of several calls, in one thread of onnxruntime; both scales are logarithmic."
        pictures.append(CardPlot("Latency by batch size", text, card_plots.latency(speed)))
    return [picture for picture in pictures if picture.svg]
