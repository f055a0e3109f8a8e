"""The plots of a model card, in the style of the monitor's report."""

from typing import TYPE_CHECKING, Any

from almanac.config.grammar.metric import Metric
from almanac.errors import DataError
from almanac.reporting.drawing import INK, NOW, THEN, confusion_matrix, draw, true_numbers
from almanac.statistics import metrics
from almanac.statistics.calibration import calibration_of
from almanac.statistics.class_metrics import confusion, confusion_words
from almanac.training.backtest.backtest import baseline_columns
from almanac.training.export.speed import Speed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_COLORS = ("#d97706", "#15803d", "#9333ea", "#0891b2", "#be185d", "#4d7c0f")


def reliability(labels: "NDArray[np.int8]", probabilities: "NDArray[np.float64]", bins: int) -> tuple[str, str]:
    """Predicted probability against the share of label 1, by bin: text and plot."""
    try:
        found = calibration_of(labels, probabilities, bins=bins)
    except DataError as error:
        return str(error), ""

    def paint(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=THEN, linestyle="--", linewidth=1, label="calibrated")
        most = max(one.rows for one in found.bins)
        sizes = [20 + 120 * one.rows / most for one in found.bins]
        predicted, happened = [one.predicted for one in found.bins], [one.happened for one in found.bins]
        axes.plot(predicted, happened, color=NOW, linewidth=1)
        axes.scatter(predicted, happened, s=sizes, color=NOW, label="this model; size: rows")
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share of label 1")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    text = f"Off by {found.ece:.3f} on average (expected calibration error); Brier score {found.brier:.3f}."
    return text, draw(paint, height=2.9)


def confused(
    labels: "NDArray[np.int8]", probabilities: "NDArray[np.float64]", names: tuple[str, ...]
) -> tuple[str, str]:
    """True against predicted class, in rows: text and picture."""
    counts = confusion(labels, probabilities)
    return confusion_words(counts, names), confusion_matrix(counts, names)


def misses(holdout: "pl.DataFrame") -> tuple[str, str]:
    """Predicted against true number, row by row: text and plot."""
    import numpy as np

    predicted, happened = holdout["answer"].to_numpy(), holdout["label"].to_numpy()
    off = predicted - happened
    if not len(off) or not np.isfinite(off).all():
        return f"{int((~np.isfinite(off)).sum())} of {len(off)} rows of the hold-out have no predicted number.", ""
    low, high = np.quantile(off, [0.05, 0.95])
    text = f"Off by {off.mean():+.4g} on average; nine of ten rows by {low:+.4g} to {high:+.4g}."
    return text, true_numbers(happened, predicted)


def folds(backtest: "pl.DataFrame", metric: Metric, threshold: float) -> str:
    """The metric of the model and of the baselines in each fold."""
    import numpy as np

    parts = [(str(fold), part) for (fold,), part in backtest.group_by("fold", maintain_order=True)]
    baselines = [name for name in baseline_columns(backtest) if np.isfinite(backtest[name].to_numpy()).any()]

    def figure(part: "pl.DataFrame", column: str, at: float) -> float:
        try:
            return metrics.measure(metric, part["label"].to_numpy(), part[column].to_numpy(), threshold=at)
        except DataError:
            return float("nan")

    def paint(axes: Any) -> None:
        names = [part["time"].dt.strftime("%b %Y").first() for _, part in parts]
        for color, name in zip(_COLORS, baselines, strict=False):
            values = [figure(part, name, metrics.THRESHOLD) for _, part in parts]
            axes.plot(names, values, marker=".", color=color, linewidth=1, label=name)
        ours = [figure(part, "answer", threshold) for _, part in parts]
        axes.plot(names, ours, marker="o", color=NOW, linewidth=2, label="this model")
        axes.set_xlabel("fold from")
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    return draw(paint, height=2.9)


def latency(speed: Speed) -> str:
    """Milliseconds by rows of a batch, for both engines."""

    def paint(axes: Any) -> None:
        sizes = [timing.rows for timing in speed.timings]
        axes.plot(sizes, [one.sklearn_ms for one in speed.timings], marker="o", color=THEN, label="scikit-learn")
        axes.plot(sizes, [one.onnx_ms for one in speed.timings], marker="o", color=NOW, label="onnxruntime")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], color=INK)
        axes.set_xlabel("rows")
        axes.set_ylabel("ms")
        axes.legend(frameon=False, fontsize=8)

    return draw(paint, height=2.9)
