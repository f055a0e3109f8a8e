"""The pictures of the report, as inline SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.monitoring.checks.drift import reference_of
from almanac.monitoring.result import WindowResult
from almanac.reporting.drawing import LIMIT, NOW, THEN, draw
from almanac.statistics.distribution import Mixture, Observed
from almanac.statistics.figures import CONFIDENCE, lower_is_better
from almanac.statistics.profile import NumberProfile, TextProfile
from almanac.statistics.profiling import finite_numbers

if TYPE_CHECKING:
    import polars as pl

_LINES = ("#0b6bcb", "#d97706", "#15803d", "#9333ea")
_BINS = 36
_MAX_BARS = 8
_LARGEST = 1e150  # of an axis: differences of larger numbers overflow


def distributions(column: NumberProfile | TextProfile, series: "pl.Series", window: WindowResult, unit: str) -> str:
    """One column then (grey) and now (blue): shares by value, or by category."""
    if isinstance(column, TextProfile):
        return draw(lambda axes: _categories(axes, column, series, window), height=2.6)
    reference = reference_of(column, window.weights)
    if reference is None:
        return ""
    return draw(lambda axes: _histogram(axes, reference, series, unit), height=2.6)


def drift_over_windows(model: Model, windows: Sequence[WindowResult], names: Sequence[str]) -> str:
    """KS distance (total variation for texts) of the named columns by window, with the limit."""

    def paint(axes: Any) -> None:
        ends = [window.end for window in windows]
        for color, name in zip(_LINES, names, strict=False):
            values = [_distance(window, name) for window in windows]
            axes.plot(ends, values, marker="o", markersize=4, color=color, label=name)
        axes.axhline(model.monitor.drift.min_ks, color=LIMIT, linestyle="--", linewidth=1)
        axes.annotate(
            f"limit {model.monitor.drift.min_ks:g}",
            (0.995, model.monitor.drift.min_ks),
            ha="right",
            va="bottom",
            xycoords=("axes fraction", "data"),
            color=LIMIT,
            fontsize=8,
        )
        axes.set_ylim(bottom=0)
        axes.set_ylabel("distance from reference")
        _dates(axes, ends)
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))

    return draw(paint, height=2.9)


def performance_over_windows(model: Model, windows: Sequence[WindowResult]) -> str:
    """The metric by window with its interval, the figure when judged, and the limit; empty when there is none."""
    known = [window for window in windows if window.performance.value is not None]
    if not known:
        return ""

    def paint(axes: Any) -> None:
        ends = [window.end for window in known]
        values = [window.performance.value for window in known]
        half = [(w.performance.high or 0.0) - (w.performance.value or 0.0) for w in known]
        label = f"now, with its {CONFIDENCE:.0%} interval"
        axes.errorbar(ends, values, yerr=half, fmt="o", markersize=5, capsize=3, color=NOW, label=label)
        judged = [window.performance.reference for window in known]
        axes.plot(ends, judged, color=THEN, marker="_", markersize=14, linestyle="none", label="when judged")
        loss = model.monitor.performance.max_loss
        sign = 1 if lower_is_better(model.monitor.performance.metric) else -1
        limits = [(value or 0.0) + sign * loss for value in judged]
        axes.plot(ends, limits, color=LIMIT, linestyle="--", linewidth=1, marker="_", label="limit")
        axes.set_ylabel(model.monitor.performance.metric)
        _dates(axes, ends)
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))

    return draw(paint, height=2.7)


def _histogram(axes: Any, reference: Mixture, series: "pl.Series", unit: str) -> None:
    import numpy as np

    values = finite_numbers(series)
    values = values[np.isfinite(values)]
    low, high = reference.winsor
    if len(values):
        now_low, now_high = Observed.of(values).winsor
        low, high = min(low, now_low), max(high, now_high)
    low, high = max(low, -_LARGEST), min(high, _LARGEST)
    borders = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    then = np.diff(reference.cdf(borders)[1])
    now = np.histogram(values, borders)[0] / max(len(values), 1)
    axes.stairs(then, borders, fill=True, color=THEN, alpha=0.45, label="reference")
    axes.stairs(now, borders, color=NOW, linewidth=1.6, label="this window")
    axes.set_xlabel(unit)
    axes.set_ylabel("share")
    axes.legend(frameon=False, fontsize=8)


def _categories(axes: Any, column: TextProfile, series: "pl.Series", window: WindowResult) -> None:
    names = column.categories[:_MAX_BARS]
    counted = dict(series.drop_nulls().value_counts().iter_rows())
    total = max(sum(counted.values()), 1)
    then = [
        sum(
            weight * column.parts[part].counts[position] / max(column.parts[part].n, 1)
            for part, weight in window.weights.items()
            if part in column.parts
        )
        for position in range(len(names))
    ]
    new = [name for name in counted if name not in column.categories]
    shown, shares = [*names, *(["(new)"] if new else [])], [counted.get(name, 0) / total for name in names]
    shares += [sum(counted[name] for name in new) / total] if new else []
    positions = list(range(len(shown)))
    axes.bar([p - 0.2 for p in positions], [*then, *([0.0] if new else [])], 0.4, color=THEN, label="reference")
    axes.bar([p + 0.2 for p in positions], shares, 0.4, color=NOW, label="this window")
    axes.set_xticks(positions, shown)
    axes.set_ylabel("share")
    axes.legend(frameon=False, fontsize=8)


def _distance(window: WindowResult, name: str) -> float:
    column = next((column for column in window.columns if column.name == name), None)
    if column is None:
        return float("nan")
    return column.figures.get("ks_displaced", column.figures.get("total_variation", float("nan")))


def _dates(axes: Any, ends: Sequence[Any]) -> None:
    years = [None, *(end.year for end in ends)]
    texts = [
        f"{end:%d %b\n%Y}" if end.year != before else f"{end:%d %b}" for end, before in zip(ends, years, strict=False)
    ]
    axes.set_xticks(ends, texts, fontsize=7.5)
