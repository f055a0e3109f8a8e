"""Past predictions against the labels that have arrived, compared with what the version could do when it was judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.statistics.figures import NORMAL, enough_of_all, figure, measured, worse_by
from almanac.statistics.profile import Figure, ReferenceProfile
from almanac.statistics.seasons import WHOLE_YEAR, by_season

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class PerformanceState(StrEnum):
    """What is said of the performance in a window."""

    HOLDING = "holding"
    DEGRADED = "degraded"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True)
class Performance:
    """The performance of one window.

    Attributes:
        standing: what is said.
        metric: which one.
        predictions: of the version in the window.
        rows: of these, the ones whose label is known.
        value, low, high: the metric and its 95 % interval, at the reference's share of the label 1; None when
            insufficient.
        plain: the metric on the rows as they are.
        reference: the same metric when the version was judged; of the same season where that differs.
        loss: by how much the window is worse than the reference; negative when it is better.
        reasons: in words, with figures and limits.
    """

    standing: PerformanceState
    metric: str
    predictions: int
    rows: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    plain: float | None = None
    reference: float | None = None
    loss: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """The share of predictions whose label is known."""
        return self.rows / self.predictions if self.predictions else 0.0


def evaluate(
    model: Model, profile: ReferenceProfile, *, probabilities: "Floats", labels: "Floats", weights: Mapping[str, float]
) -> Performance:
    """Judge one window.

    Degraded: worse than the reference by more than `max_loss`, and by more than chance explains (95 %, both standard
    errors added in squares). Both are measured at the reference's share of the label 1: see `figure`.

    Args:
        model: declares metric, limit and the rows needed.
        profile: holds the reference figures.
        probabilities: of the label 1 (or the numbers) as they were predicted, ordered by time, [n]; or of each class,
            [n, k].
        labels: 0 or 1 (or numbers, or positions of classes), [n]; NaN where not known yet.
        weights: part of the year -> its share of the window.
    """
    import numpy as np

    settings = model.monitor.performance
    known = np.isfinite(labels)
    predictions, rows = len(labels), int(known.sum())

    def insufficient(why: str) -> Performance:
        return Performance(PerformanceState.INSUFFICIENT, settings.metric, predictions, rows, reasons=(why,))

    if rows < settings.min_rows:
        return insufficient(f"{rows} labelled predictions of {predictions}, at least {settings.min_rows} are needed")
    classes = model.label.class_count
    if not enough_of_all(settings.metric, labels[known], settings.min_class_rows, classes=classes):
        rare = _rarest(model, labels[known]) if classes else "the rarer label"
        return insufficient(f"fewer than {settings.min_class_rows} of {rows} labelled rows have {rare}")
    reference = _reference(profile, weights)
    if reference is None or reference.metric != settings.metric:
        return insufficient(f"the reference profile has no {settings.metric}; train again")
    truth, predicted, at = labels[known], probabilities[known], profile.threshold
    now = figure(settings.metric, truth, predicted, share=reference.share, threshold=at)
    if now is None:
        return insufficient(f"{settings.metric} is not defined on the {rows} labelled predictions")
    return _judge(model, now, reference, predictions, measured(settings.metric, truth, predicted, threshold=at))


def _rarest(model: Model, labels: "Floats") -> str:
    import numpy as np

    counts = np.bincount(labels.astype(np.int64), minlength=model.label.class_count)
    return f"the class {(model.label.classes or ())[int(counts.argmin())]}"


def _judge(model: Model, now: Figure, reference: Figure, predictions: int, plain: float) -> Performance:
    settings = model.monitor.performance
    loss = worse_by(settings.metric, now.value, reference.value)
    chance = NORMAL * (now.standard_error**2 + reference.standard_error**2) ** 0.5
    degraded = loss > settings.max_loss and loss > chance
    reason = (
        f"{settings.metric} {now.value:.3f} against {reference.value:.3f} when judged: worse by {loss:.3f},"
        f" limit {settings.max_loss:g}, chance explains {chance:.3f}"
    )
    return Performance(
        standing=PerformanceState.DEGRADED if degraded else PerformanceState.HOLDING,
        metric=settings.metric,
        predictions=predictions,
        rows=now.rows,
        value=now.value,
        low=now.value - NORMAL * now.standard_error,
        high=now.value + NORMAL * now.standard_error,
        plain=plain,
        reference=reference.value,
        loss=loss,
        reasons=(reason,) if degraded else (),
    )


def _reference(profile: ReferenceProfile, weights: Mapping[str, float]) -> Figure | None:
    """The figure of the year; of a season instead where that differs from the year by more than chance explains.

    Short parts of one backtest hold few independent misses: against an unusually good month or season every later
    one would look bad. Hence seasons even where columns are compared by month, and only those that are shown to differ.
    """
    year = profile.figures.get(WHOLE_YEAR)
    if year is None:
        return None
    chosen: dict[Figure, float] = {}
    for season, weight in by_season(weights).items():
        own = _season_or_year(profile.figures.get(season), year)
        chosen[own] = chosen.get(own, 0.0) + weight
    return Figure(
        metric=year.metric,
        value=sum(weight * own.value for own, weight in chosen.items()),
        standard_error=sum((weight * own.standard_error) ** 2 for own, weight in chosen.items()) ** 0.5,
        rows=sum(own.rows for own in chosen),
        share=None if year.share is None else _mixed(chosen),
    )


def _mixed(figures: Mapping[Figure, float]) -> float | tuple[float, ...]:
    """The mean share of the labels by the figures' weights; of several classes, of each of them."""
    import numpy as np

    parts = [weight * np.asarray(own.share or 0.0) for own, weight in figures.items()]
    mean = np.asarray(sum(parts))
    return tuple(mean.tolist()) if mean.ndim else float(mean)


def _season_or_year(season: Figure | None, year: Figure) -> Figure:
    if season is None or abs(season.value - year.value) <= NORMAL * season.standard_error:
        return year
    return season
