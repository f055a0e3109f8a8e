"""Pictures of the model itself: are its probabilities honest, how do groups fare, what does it look at?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from almanac.reporting.drawing import NOW, THEN, draw
from almanac.reporting.templates import last_day
from almanac.statistics.figures import NORMAL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from almanac.monitoring.checks.importance import Explanation
    from almanac.statistics.segment_figures import Group

    Floats = NDArray[np.float64]

_BINS, _MIN_BIN_ROWS = 10, 10
_MAX_GROUPS, _MAX_FEATURES = 14, 10


def calibration(observed: "Floats", predicted: "Floats") -> str:
    """Observed share by predicted probability, with Wilson's 95 % interval (1927); empty without enough labels."""
    import numpy as np

    known = np.isfinite(observed) & np.isfinite(predicted)
    position = np.minimum((predicted[known] * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(position, minlength=_BINS)
    usable = np.flatnonzero(rows >= _MIN_BIN_ROWS)
    if len(usable) < 2:
        return ""
    predicted_mean = np.bincount(position, predicted[known], _BINS)[usable] / rows[usable]
    true = np.bincount(position, observed[known], _BINS)[usable] / rows[usable]
    n, square = rows[usable], NORMAL**2
    middle = (true + square / (2 * n)) / (1 + square / n)
    half = NORMAL / (1 + square / n) * np.sqrt(true * (1 - true) / n + square / (4 * n**2))

    def paint(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=THEN, linewidth=1, linestyle="--", label="honest")
        errors = [np.maximum(true - (middle - half), 0), np.maximum(middle + half - true, 0)]
        axes.errorbar(
            predicted_mean, true, yerr=errors, fmt="o", markersize=5, capsize=3, color=NOW, label="this window"
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share that came true")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return draw(paint, height=2.9)


def segments(groups: "Sequence[Group]", metric: str) -> str:
    """The metric of each group now, with its interval, and when judged; empty when no group could be measured."""
    known = [group for group in groups if group.figure is not None][:_MAX_GROUPS]
    if not known:
        return ""

    def paint(axes: Any) -> None:
        for position, group in enumerate(known):
            if group.figure is not None:
                half = NORMAL * group.figure.standard_error
                axes.errorbar(group.figure.value, position, xerr=half, fmt="o", markersize=5, capsize=3, color=NOW)
            if group.judged is not None:
                axes.plot(group.judged.value, position, marker="|", markersize=12, color=THEN)
        axes.set_yticks(range(len(known)), [f"{group.name} ({group.rows})" for group in known])
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlabel(f"{metric}; grey: when judged")

    return draw(paint, height=1.2 + 0.28 * len(known))


def importances(explanation: "Explanation") -> str:
    """What shuffling a feature costs, now and in the oldest window shown; the most important features."""
    shown = explanation.importances[:_MAX_FEATURES]
    before = {one.feature: one.loss for one in explanation.before}

    def paint(axes: Any) -> None:
        positions = list(range(len(shown)))
        axes.barh(
            [p + 0.2 for p in positions],
            [before.get(one.feature, 0.0) for one in shown],
            0.4,
            color=THEN,
            label=f"window to {last_day(explanation.before_end)}",
        )
        axes.barh(
            [p - 0.2 for p in positions],
            [one.loss for one in shown],
            0.4,
            xerr=[one.sd for one in shown],
            color=NOW,
            label=f"window to {last_day(explanation.window_end)}",
        )
        axes.set_yticks(positions, [one.feature for one in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel("loss when the feature is shuffled")
        axes.legend(frameon=False, fontsize=8, loc="lower right")

    return draw(paint, height=1.0 + 0.3 * len(shown))
