"""Rolling origin: each fold is predicted by a model that was trained on what was known before the fold began.

Source: Tashman (2000), "Out-of-sample tests of forecasting accuracy", Int. J. of Forecasting 16(4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.grammar.expression import compile_expression
from almanac.config.schema import Model
from almanac.config.sections.gates import SEASONS, Season
from almanac.config.sections.training import TimeRange
from almanac.errors import DataError
from almanac.features.features import build_features
from almanac.features.labels import labels, state_before, state_now
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.statistics.metrics import Labels


SEGMENT = "segment"
KEY = "key."
_NOT_BASELINES = ("time", "fold", "label", "answer", SEGMENT)


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The rows with a known label, ordered by time.

    Attributes:
        names: of the k features.
        values: float32 [n, k].
        times: event times, datetime64[us] [n], UTC.
        labels: int8 [n], 0 or 1, or positions of classes; of a number float64 [n].
        state_now: float64 [n], the label's column at the row itself; NaN where unknown.
        seasons: float64 [n] by season, the label's column a day, a week or a year before the time of the label; NaN
            where unknown.
        others: text [n] by column of the backtest: `key.<column>`, which distinguishes rows of one time, and `segment`
            where a column of the dataset defines the segments.
        declared: float64 [n] by rule of `gates.baselines.rules`: 1 and 0 for yes and no, or numbers; NaN where unknown.
    """

    names: tuple[str, ...]
    values: "NDArray[np.float32]"
    times: "NDArray[np.datetime64]"
    labels: "Labels"
    state_now: "NDArray[np.float64]"
    seasons: Mapping[Season, "NDArray[np.float64]"] = field(default_factory=dict)
    others: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)
    declared: Mapping[str, "NDArray[np.float64]"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, eq=False)
class Fold:
    """One step of the backtest: `[start, end)`, and the row numbers of `LabelledRows` it trains and tests on."""

    number: int
    start: "np.datetime64"
    end: "np.datetime64"
    train: "NDArray[np.intp]"
    test: "NDArray[np.intp]"


def labelled_rows(model: Model, frame: "pl.DataFrame", *, now: datetime) -> LabelledRows:
    """Features and labels of the rows with a label known at `now`, within a fixed `train.window`, ordered by time.

    Raises:
        DataError: the frame is not what the model's YAML declares; see `build_features` and `labels`.
    """
    import numpy as np
    import polars as pl

    frame = frame.sort(model.dataset.time)
    matrix = build_features(model, frame)
    label = known_labels(model, frame, now=now)
    known = label.is_not_null().to_numpy()
    state = state_now(model, frame).cast(pl.Float64).to_numpy()
    if not model.label.horizon:
        state = np.full(frame.height, np.nan)  # the present state is the label itself
    return LabelledRows(
        matrix.names,
        matrix.values[known],
        matrix.times[known],
        label.drop_nulls().to_numpy().astype(task_of(model.label).stored),
        state[known],
        {
            name: state_before(model, frame, season).cast(pl.Float64).to_numpy()[known]
            for name, season in SEASONS.items()
            if season >= model.label.known_after  # a shorter one would use values that are not known yet
        },
        {name: frame[column].cast(pl.String).to_numpy()[known] for name, column in other_columns(model).items()},
        {
            name: frame.select(compile_expression(text).cast(pl.Float64)).to_series().to_numpy()[known]
            for name, text in model.gates.baselines.rules.items()
        },
    )


def other_columns(model: Model) -> dict[str, str]:
    """Column of a backtest -> column of the dataset: the keys except the time, and the segment if it is a column."""
    keys = {f"{KEY}{name}": name for name in model.dataset.key if name != model.dataset.time}
    by = model.gates.segments.by
    return {**keys, SEGMENT: by} if by in model.dataset.columns else keys


def known_labels(model: Model, frame: "pl.DataFrame", *, now: datetime) -> "pl.Series":
    """`labels`, also null outside a fixed `train.window`."""
    import polars as pl

    label, window, time = labels(model, frame, now=now), model.train.window, model.dataset.time
    if not isinstance(window, TimeRange):
        return label
    inside = pl.col(time) >= window.since
    if window.until is not None:
        inside &= pl.col(time) < window.until
    return frame.select(pl.when(inside).then(label).alias(label.name)).to_series()


def split(model: Model, times: "NDArray[np.datetime64]") -> tuple[Fold, ...]:
    """The folds of the model's backtest over the times of its labelled rows.

    The newest `folds` x `fold` of time are split into equal parts. A fold trains on rows with
    `t + horizon + delay <= start`, whose labels were known when it began, within a sliding `train.window`.

    Args:
        model: declares the backtest.
        times: datetime64[us] [n], sorted.

    Raises:
        DataError: a fold has no rows, or too few rows to train on.
    """
    folds = _cut(model, times)
    wanted = model.train.backtest
    for fold in folds:
        if len(fold.train) < wanted.min_train_rows:
            raise DataError(
                f"{model.name}: fold {fold.number} of the backtest starts at {fold.start}: got {len(fold.train)} "
                f"labelled rows before it, expected at least {wanted.min_train_rows} "
                f"(train.backtest.min_train_rows) of {len(times)}; land more history, or shorten train.backtest.fold"
            )
        if not len(fold.test):
            raise DataError(
                f"{model.name}: fold {fold.number} of the backtest, {fold.start} to {fold.end}, has no labelled row; "
                "land the missing hours, or change train.backtest"
            )
    return folds


def fold_problems(model: Model, times: "NDArray[np.datetime64]", labels: "Labels") -> tuple[str, ...]:
    """The reasons why no candidate can be trained or measured on the folds; empty: there are none.

    Args:
        model: declares the backtest.
        times: datetime64[us] [n], sorted.
        labels: of these rows, [n].
    """
    import numpy as np

    folds, least = _cut(model, times), model.train.backtest.min_train_rows
    found = []
    for fold in folds:
        where = f"fold {fold.number} of the backtest, {fold.start} to {fold.end}, "
        if not len(fold.test):
            found.append(f"{where}has no labelled row; land the missing rows, or change train.backtest")
        if len(fold.train) < least:
            found.append(f"{where}has {len(fold.train)} training rows, wanted {least} (train.backtest.min_train_rows)")
        elif _is_constant(labels[fold.train]):
            found.append(f"{where}has {len(fold.train)} training rows, all with the label {labels[fold.train][0]:g}")
    before = np.concatenate([fold.test for fold in folds[:-1]])
    for name, rows in (("folds before the hold-out", before), ("hold-out", folds[-1].test)):
        if len(rows) and _is_constant(labels[rows]):
            words = f"all {len(rows)} rows of the {name} have the label {labels[rows][0]:g}"
            found.append(f"{words}, so no metric is defined there; lengthen train.backtest.fold")
    return tuple(found)


def _is_constant(labels: "Labels") -> bool:
    return not (labels != labels[:1]).any()


def rows_before_backtest(model: Model, times: "NDArray[np.datetime64]") -> int:
    """The number of training rows of the first fold; 0 without labelled rows."""
    return len(_cut(model, times)[0].train) if len(times) else 0


def subset(rows: LabelledRows, chosen: "NDArray[np.intp]") -> LabelledRows:
    """The rows with these numbers."""
    return LabelledRows(
        rows.names,
        rows.values[chosen],
        rows.times[chosen],
        rows.labels[chosen],
        rows.state_now[chosen],
        {name: values[chosen] for name, values in rows.seasons.items()},
        {name: values[chosen] for name, values in rows.others.items()},
        {name: values[chosen] for name, values in rows.declared.items()},
    )


def _cut(model: Model, times: "NDArray[np.datetime64]") -> tuple[Fold, ...]:
    import numpy as np

    if not len(times):
        raise DataError(f"{model.name}: got 0 labelled rows, expected history. Land data first")
    if (np.diff(times) < np.timedelta64(0)).any():
        raise DataError(f"{model.name}: labelled rows are not ordered by time")
    count, length = model.train.backtest.folds, np.timedelta64(model.train.backtest.fold)
    known_after, window = np.timedelta64(model.label.known_after), model.train.window
    end = times[-1] + np.timedelta64(model.dataset.step)
    folds = []
    for number in range(count):
        start = end - (count - number) * length
        # the embargo: no label of the fold's own time is trained on; without a horizon its first row is its own
        train = (times + known_after <= start) & (times < start)
        if isinstance(window, timedelta):
            train &= times >= start - np.timedelta64(window)
        test = (times >= start) & (times < start + length)
        folds.append(Fold(number, start, start + length, np.flatnonzero(train), np.flatnonzero(test)))
    return tuple(folds)


def backtest_frame(
    rows: LabelledRows, folds: Sequence[Fold], predictions: Sequence["dict[str, NDArray[np.float64]]"]
) -> "pl.DataFrame":
    """The predictions of one candidate: `time`, `fold`, `label`, `answer` and one column per baseline."""
    import polars as pl

    parts = [
        pl.DataFrame(
            {"time": rows.times[fold.test], "label": rows.labels[fold.test], **predicted}
            | {name: pl.Series(values[fold.test], dtype=pl.String) for name, values in rows.others.items()}
        )
        .with_columns(pl.lit(fold.number, dtype=pl.Int32).alias("fold"))
        .with_columns(pl.col("time").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        for fold, predicted in zip(folds, predictions, strict=True)
    ]
    return pl.concat(parts).select("time", "fold", "label", pl.exclude("time", "fold", "label"))


def baseline_columns(backtest: "pl.DataFrame") -> tuple[str, ...]:
    """The columns of a backtest with the predictions of baselines."""
    return tuple(name for name in backtest.columns if name not in _NOT_BASELINES and not name.startswith(KEY))


def row_keys(backtest: "pl.DataFrame", model: Model) -> dict[str, str]:
    """The columns that identify a row of a backtest, and the columns of the dataset that they come from."""
    return {"time": model.dataset.time} | {
        name: name.removeprefix(KEY) for name in backtest.columns if name.startswith(KEY)
    }
