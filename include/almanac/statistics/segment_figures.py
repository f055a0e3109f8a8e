"""Performance by groups of rows: seasons, hours, or whatever a column says; and the gaps between them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import YES_NO
from almanac.config.schema import Model
from almanac.config.sections.monitoring import TIME_SEGMENTS, SegmentMonitor
from almanac.statistics.figures import NORMAL, enough_of_all, figure, mix_of, share_of, worse_by
from almanac.statistics.profile import Figure, ReferenceProfile
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


TRUE_CLASS = "true class"


@dataclass(frozen=True)
class Group:
    """One group of a window.

    Attributes:
        by: how rows are grouped.
        name: of the group.
        rows: labelled ones.
        said_yes: share of the predictions at or above the threshold, and its standard error; None: too few rows, or
            the label is not yes or no.
        figure: the metric at the share of labels that the version was judged at; None when there are too few rows.
        judged: the same when the version was judged; None when it was not.
        degraded: worse than then by more than `max_loss` and by more than chance explains.
    """

    by: str
    name: str
    rows: int
    said_yes: tuple[float, float] | None = None
    figure: Figure | None = None
    judged: Figure | None = None
    degraded: bool = False


@dataclass(frozen=True)
class SegmentGap:
    """The largest gap between two groups that both have rows enough.

    `low` and `high` hold for every pair at once: 95 %, Bonferroni's correction for as many pairs as there are.
    """

    by: str
    better: str
    worse: str
    value: float
    low: float
    high: float


def group_names(model: Model, by: str, frame: "pl.DataFrame") -> "NDArray[np.object_]":
    """The group of each row, [n]; None where the column has no value."""
    import polars as pl

    from almanac.statistics.segments import segment_of

    column = segment_of(by, model.dataset.time) if by in TIME_SEGMENTS else pl.col(by).cast(pl.String)  # type: ignore[arg-type]
    names: NDArray[np.object_] = frame.select(column.alias("group"))["group"].to_numpy()
    return names


def judged_groups(
    model: Model, frame: "pl.DataFrame", predicted: "Floats", observed: "Floats", threshold: float = 0.5
) -> dict[str, Figure]:
    """`by=name` -> the metric of a group's out-of-sample predictions, for the reference profile."""
    import numpy as np

    known = np.isfinite(task_of(model.label).watched(predicted)) & np.isfinite(observed)
    settings = model.monitor.performance
    found = {
        f"{one.by}={one.name}": one.figure
        for one in _of_classes(model, predicted[known], observed[known])
        if one.figure
    }
    share = mix_of(observed[known], predicted[known]) if known.any() else None
    for segment in model.monitor.segments:
        if segment.by not in (*TIME_SEGMENTS, *frame.columns):
            continue
        names = group_names(model, segment.by, frame)
        for name in sorted({one for one in names[known] if one is not None}):
            rows = known & (names == name)
            if rows.sum() < segment.min_rows or not _enough(model, observed[rows]):
                continue
            measured = figure(settings.metric, observed[rows], predicted[rows], share=share, threshold=threshold)
            if measured is not None:
                found[f"{segment.by}={name}"] = measured
    return found


def measure_groups(
    model: Model, profile: ReferenceProfile, frame: "pl.DataFrame", predictions: "Floats", observed: "Floats"
) -> tuple[Group, ...]:
    """Every group of every declared segment in a window.

    Args:
        model: declares segments and limits.
        profile: says what the version could do when it was judged.
        frame: the window's scored rows, ordered by time, [n].
        predictions: what was predicted, [n].
        observed: labels, NaN where not known yet, [n].
    """
    import numpy as np

    known = np.isfinite(observed)
    year = profile.figures.get("year")
    groups = [_against(model, profile, one) for one in _of_classes(model, predictions[known], observed[known])]
    for segment in model.monitor.segments:
        names = group_names(model, segment.by, frame)
        for name in sorted({one for one in names if one is not None}):
            rows = (names == name) & known
            predicted, yes, measured = predictions[names == name], None, None
            if model.label.kind is YES_NO and len(predicted) >= segment.min_rows:
                yes = share_of(predicted >= profile.threshold)
            if rows.sum() >= segment.min_rows and _enough(model, observed[rows]):
                share = year.share if year else None
                metric, threshold = model.monitor.performance.metric, profile.threshold
                measured = figure(metric, observed[rows], predictions[rows], share=share, threshold=threshold)
            groups.append(_against(model, profile, Group(segment.by, name, int(rows.sum()), yes, measured)))
    return tuple(groups)


def _against(model: Model, profile: ReferenceProfile, group: Group) -> Group:
    """The group with what it was when the version was judged."""
    now, judged = group.figure, profile.segments.get(f"{group.by}={group.name}")
    worse = now is not None and judged is not None and _degraded(model, now, judged)
    return replace(group, judged=judged, degraded=worse)


def _of_classes(model: Model, predicted: "Floats", observed: "Floats") -> "Iterator[Group]":
    """The recall of each class, as a group of the rows that it is true of; nothing for other kinds of labels."""
    for position, name in enumerate(model.label.classes or ()):
        rows = observed == position
        found, count = None, int(rows.sum())
        if count >= model.monitor.performance.min_class_rows:
            found = share_of(predicted[rows].argmax(axis=1) == position)
        yield Group(TRUE_CLASS, name, count, figure=None if found is None else Figure("recall", *found, count))


def largest_gap(model: Model, segment: SegmentMonitor, groups: Sequence[Group]) -> SegmentGap | None:
    """The gap between the best and the worst group of a segment; None when fewer than two can be measured."""
    metric = model.monitor.performance.metric
    known = {
        group.name: (group.figure.value, group.figure.standard_error)
        for group in groups
        if group.by == segment.by and group.figure is not None
    }
    return _widest(segment.by, known, lambda value, other: worse_by(metric, value, other))


def largest_yes_gap(segment: SegmentMonitor, groups: Sequence[Group]) -> SegmentGap | None:
    """The gap between the groups that most and least often get a yes (demographic parity), labels or not.

    `better` names the group with more of it: whether a yes is good, the model does not know.
    """
    known = {group.name: group.said_yes for group in groups if group.by == segment.by and group.said_yes is not None}
    return _widest(segment.by, known, lambda value, other: other - value)


def _widest(
    by: str, known: Mapping[str, tuple[float, float]], worse_by: Callable[[float, float], float]
) -> SegmentGap | None:
    """Between the groups whose values, given with their standard errors, differ most; None of fewer than two."""
    from scipy.special import ndtri

    if len(known) < 2:
        return None
    order = sorted(known, key=lambda name: worse_by(known[name][0], 0.0))
    better, worse = order[0], order[-1]
    pairs = len(list(combinations(known, 2)))
    value = worse_by(known[worse][0], known[better][0])
    error = (known[better][1] ** 2 + known[worse][1] ** 2) ** 0.5
    half = float(ndtri(1 - 0.025 / pairs)) * error
    return SegmentGap(by, better, worse, value, value - half, value + half)


def _degraded(model: Model, now: Figure, judged: Figure) -> bool:
    loss = worse_by(now.metric, now.value, judged.value)
    chance = NORMAL * float((now.standard_error**2 + judged.standard_error**2) ** 0.5)
    return loss > model.monitor.performance.max_loss and loss > chance


def _enough(model: Model, observed: "Floats") -> bool:
    settings = model.monitor.performance
    return enough_of_all(settings.metric, observed, settings.min_class_rows, classes=model.label.class_count)


def segment_tables(groups: Sequence[Group]) -> Mapping[str, list[Group]]:
    """The groups by segment, for a page."""
    tables: dict[str, list[Group]] = {}
    for group in groups:
        tables.setdefault(group.by, []).append(group)
    return tables
