"""Builds reference profiles from rows. Read `profile.py` first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.statistics.dependence import design_effect, number_indicators
from almanac.statistics.distribution import TAIL_KNOTS, NumberSample, summarise
from almanac.statistics.profile import (
    MAX_SIZE_BYTES,
    PREDICTED_CLASS,
    PREDICTION,
    Figure,
    NumberProfile,
    ReferenceProfile,
    TextProfile,
    TextSample,
)
from almanac.statistics.seasons import WHOLE_YEAR, part_names, part_numbers
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Sample = TypeVar("Sample", NumberSample, TextSample)

_MIN_CATEGORIES, _MAX_CATEGORIES = 16, 200
_CATEGORIES_TESTED = 9
_MAX_DISTINCT_SHARE = 0.5
_FILL = 0.9  # of the size that a profile may have
_MOMENTS_BYTES = 260  # of JSON: all but the knots of a number in one part of the year
_KNOT_BYTES = 29  # value, left, right
_COUNT_BYTES, _NAME_BYTES = 6, 24
_MIN_KNOTS, _MAX_KNOTS = 16, 400


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is the same for every column: parts of the year, times, window, and how much of the profile it may fill."""

    model: Model
    parts: tuple[str, ...]
    part: "Ints"
    times_us: "Ints"
    size_bytes: float

    @property
    def samples(self) -> int:
        """How often a column is summarised: for the whole year, and for each part of it."""
        return 1 if len(self.parts) == 1 else len(self.parts) + 1

    @property
    def knots(self) -> int:
        """How many knots of a number there is room for, beside those of the tails."""
        room = (self.size_bytes / self.samples - _MOMENTS_BYTES) / _KNOT_BYTES - TAIL_KNOTS
        return min(max(int(room), _MIN_KNOTS), _MAX_KNOTS)

    @property
    def categories(self) -> int:
        """How many categories of a text there is room for."""
        room = self.size_bytes / (self.samples * _COUNT_BYTES + _NAME_BYTES)
        return min(max(int(room), _MIN_CATEGORIES), _MAX_CATEGORIES)

    def split(self, summarise_part: "Callable[[NDArray[np.bool_]], Sample]") -> dict[str, Sample]:
        """Summarise the whole year, and each part of it that has rows."""
        import numpy as np

        by_part = {WHOLE_YEAR: summarise_part(np.ones(len(self.part), dtype=bool))}
        if len(self.parts) > 1:
            there = np.unique(self.part)
            by_part |= {self.parts[number]: summarise_part(self.part == number) for number in there}
        return by_part

    def design_effect(self, indicators: "NDArray[np.bool_]", there: "NDArray[np.bool_]") -> float | None:
        """The design effect of a column's values where they are there; rows without a time are independent."""
        import numpy as np

        if not there.any():
            return None
        if self.model.dataset.is_arrival:
            return 1.0
        _, part = np.unique(self.part[there], return_inverse=True)
        measured = design_effect(indicators, part, self.times_us[there], self.model.monitor.window)
        return None if measured is None else round(measured[0], 3)


def build_profile(
    model: Model, frame: "pl.DataFrame", *, probabilities: "Floats", labels: "Floats", threshold: float = 0.5
) -> ReferenceProfile:
    """Build the reference profile of a model version.

    Args:
        model: declares the columns, the window and the parts of the year.
        frame: the rows that the version was trained and judged on, the declared columns, ordered by time, [n].
        probabilities: of the label 1, or numbers, [n], or of each class, [n, k], out of sample (backtest folds and
            hold-out); NaN where there is none. A forest is far surer on the rows that it was trained on: given those,
            later windows would look drifted.
        labels: 0 or 1, numbers, or positions of classes, [n]; NaN where not known.
        threshold: from which probability on the version says yes.

    Raises:
        DataError: no rows, or lengths that differ.
    """
    from almanac.statistics.segment_figures import judged_groups

    lengths = (frame.height, len(probabilities), len(labels))
    if not frame.height or len(set(lengths)) > 1:
        raise DataError(
            f"{model.name}: reference profile: got {lengths} rows, probabilities and labels, expected the same"
            " number, not 0"
        )
    times = frame[model.dataset.time]
    names, left_out = watched_columns(model, frame)
    rows = _rows(model, times, columns=len(names) + 2)
    columns = [_column(frame, name, rows) for name in names]
    task = task_of(model.label)
    columns.append(_numbers(PREDICTION, task.watched(probabilities), rows))
    predicted = task.predicted(probabilities, threshold)
    if predicted is not None:
        columns.append(_texts(PREDICTED_CLASS, predicted, rows))
    return ReferenceProfile(
        model=model.name,
        since=times[0],
        until=times[-1] + model.dataset.step,
        rows=frame.height,
        split=model.monitor.drift.season,
        columns=tuple(columns),
        left_out=left_out,
        figures=_figures(model, times, probabilities, labels, threshold),
        threshold=threshold,
        segments=judged_groups(model, frame, probabilities, labels, threshold),
    )


def watched_columns(model: Model, frame: "pl.DataFrame") -> tuple[list[str], dict[str, str]]:
    """The declared columns to watch, and why the others are not.

    Time only grows, and what identifies a row differs from row to row: their change says nothing. A constant text
    is watched: it costs nothing, and a second value in it is news.
    """
    import polars as pl

    names, left_out = [], {}
    for name, column in model.dataset.columns.items():
        if name not in frame.columns:
            left_out[name] = "not in the rows"
        elif column.type == "timestamp":
            left_out[name] = "time"
        elif column.optional and name == model.label.column:
            left_out[name] = "the label, which files may lack"
        elif name in model.dataset.key:
            left_out[name] = "part of the key"
        elif frame.schema[name] == pl.String and frame[name].n_unique() > _MAX_DISTINCT_SHARE * frame.height > 10:
            left_out[name] = "a text that differs from row to row"
        else:
            names.append(name)
    return names, left_out


def finite_numbers(series: "pl.Series") -> "Floats":
    """Numbers as float64, NaN where null or not finite, [n]."""
    import numpy as np
    import polars as pl

    values: Floats = series.cast(pl.Float64).to_numpy()
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)


def longest_run(values: "Floats") -> int:
    """The most values in a row that are equal; NaN ends a run."""
    import numpy as np

    if not len(values):
        return 0
    if not (values[1:] == values[:-1]).any():
        return 1
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]])
    return int(np.diff(starts).max())


def _rows(model: Model, times: "pl.Series", *, columns: int) -> _Rows:
    split = model.monitor.drift.season
    return _Rows(
        model=model,
        parts=part_names(split),
        part=part_numbers(times, split).to_numpy(),
        times_us=times.dt.timestamp("us").to_numpy(),
        size_bytes=_FILL * MAX_SIZE_BYTES / columns,
    )


def _column(frame: "pl.DataFrame", name: str, rows: _Rows) -> NumberProfile | TextProfile:
    if frame.schema[name].is_numeric():
        return _numbers(name, finite_numbers(frame[name]), rows)
    return _texts(name, frame[name], rows)


def _numbers(name: str, values: "Floats", rows: _Rows) -> NumberProfile:
    import numpy as np

    there = np.isfinite(values)

    def summarise_part(chosen: "NDArray[np.bool_]") -> NumberSample:
        return summarise(values[chosen & there], nulls=int((chosen & ~there).sum()), knots=rows.knots)

    indicators = np.empty((0, 1), dtype=bool)
    if there.any():
        _, part = np.unique(rows.part[there], return_inverse=True)
        indicators = number_indicators(values[there], part)
    # the order of rows without a time says nothing: a file that is sorted by a column repeats its values for long
    run = len(values) if rows.model.dataset.is_arrival else longest_run(values)
    return NumberProfile(name, rows.split(summarise_part), rows.design_effect(indicators, there), run)


def _texts(name: str, series: "pl.Series", rows: _Rows) -> TextProfile:
    import numpy as np
    import polars as pl

    ranked = series.drop_nulls().value_counts(sort=True).sort(["count", name], descending=[True, False])
    categories = tuple(ranked[name].head(rows.categories).to_list())
    there = series.is_not_null().to_numpy()
    code = series.replace_strict(categories, range(len(categories)), default=-1, return_dtype=pl.Int64).to_numpy()

    def summarise_part(chosen: "NDArray[np.bool_]") -> TextSample:
        inside = code[chosen & there]
        counts = np.bincount(inside[inside >= 0], minlength=len(categories))
        return TextSample(len(inside), int((chosen & ~there).sum()), tuple(counts.tolist()), int((inside < 0).sum()))

    indicators = code[there][:, None] == np.arange(min(len(categories), _CATEGORIES_TESTED))
    return TextProfile(name, categories, rows.split(summarise_part), rows.design_effect(indicators, there))


def _figures(
    model: Model, times: "pl.Series", probabilities: "Floats", labels: "Floats", threshold: float
) -> dict[str, Figure]:
    """The metric of the performance monitor, of the year and, unless the year is not split, of each season."""
    import numpy as np

    from almanac.statistics.figures import enough_of_all, figure

    settings = model.monitor.performance
    known = np.isfinite(task_of(model.label).watched(probabilities)) & np.isfinite(labels)
    chosen = {WHOLE_YEAR: known}
    if model.monitor.drift.season != "none":
        season = part_numbers(times, "season").to_numpy()
        chosen |= {name: known & (season == number) for number, name in enumerate(part_names("season"))}
    measured = {
        part: figure(settings.metric, labels[mask], probabilities[mask], threshold=threshold)
        for part, mask in chosen.items()
        if mask.sum() >= settings.min_rows
        and enough_of_all(settings.metric, labels[mask], settings.min_class_rows, classes=model.label.class_count)
    }
    return {part: found for part, found in measured.items() if found is not None}
