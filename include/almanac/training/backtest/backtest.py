"""The labelled rows of a backtest, and the predictions for those that judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.grammar.expression import compile_expression
from almanac.config.schema import Model
from almanac.config.sections.gates import SEASONS, Season
from almanac.config.sections.training import TimeRange
from almanac.features.categories import category_names
from almanac.features.features import build_features
from almanac.features.labels import labels, state_before, state_now
from almanac.features.split_groups import shuffled, split_groups
from almanac.statistics.tasks import task_of
from almanac.training.backtest.folds import Fold

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.features.split_groups import Hashes
    from almanac.statistics.metrics import Labels


SEGMENT = "segment"
KEY = "key."
GROUP = "group"
_NOT_BASELINES = ("time", "fold", "label", "answer", SEGMENT, GROUP)


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
        groups: uint64 [n], whose rows they are, of a dataset without a time; None: they are split by time.
        categories: what the numbers of categories stand for, by feature; see `category_names`. For people only.
    """

    names: tuple[str, ...]
    values: "NDArray[np.float32]"
    times: "NDArray[np.datetime64]"
    labels: "Labels"
    state_now: "NDArray[np.float64]"
    seasons: Mapping[Season, "NDArray[np.float64]"] = field(default_factory=dict)
    others: Mapping[str, "NDArray[np.object_]"] = field(default_factory=dict)
    declared: Mapping[str, "NDArray[np.float64]"] = field(default_factory=dict)
    groups: "Hashes | None" = None
    categories: Mapping[str, Mapping[float, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


def labelled_rows(model: Model, frame: "pl.DataFrame", *, now: datetime) -> LabelledRows:
    """Features and labels of the rows with a label known at `now`, within a fixed `train.window`, ordered by time.

    Raises:
        DataError: the frame is not what the model's YAML declares; see `build_features` and `labels`.
    """
    import numpy as np
    import polars as pl

    frame = in_order(model, frame)
    matrix = build_features(model, frame)
    label = known_labels(model, frame, now=now)
    known = label.is_not_null().to_numpy()
    groups = split_groups(model, frame)
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
        None if groups is None else groups[known],
        category_names(model, frame),
    )


def in_order(model: Model, frame: "pl.DataFrame") -> "pl.DataFrame":
    """The rows ordered by time; see `shuffled` for those that have none."""
    return shuffled(model, frame) if model.dataset.is_arrival else frame.sort(model.dataset.time)


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
        None if rows.groups is None else rows.groups[chosen],
    )


def backtest_frame(
    rows: LabelledRows, folds: Sequence[Fold], predictions: Sequence["dict[str, NDArray[np.float64]]"]
) -> "pl.DataFrame":
    """The predictions of one candidate: `time`, `fold`, `label`, `answer` and one column per baseline.

    Of a dataset without a time also `group`, whose rows they are.
    """
    import polars as pl

    parts = [
        pl.DataFrame(
            {"time": rows.times[fold.test], "label": rows.labels[fold.test], **predicted}
            | {name: pl.Series(values[fold.test], dtype=pl.String) for name, values in rows.others.items()}
            | ({} if rows.groups is None else {GROUP: rows.groups[fold.test]})
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
