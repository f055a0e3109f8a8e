"""What the monitor looks at: the champion's complete windows, with its predictions and the labels that have arrived."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.features.split_groups import group_columns, hash_values, is_held_out, shuffled, split_groups
from almanac.monitoring.checks.challengers import LabelledWindow
from almanac.monitoring.checks.data_freshness import Ages
from almanac.monitoring.checks.drift import assess, part_weights, reference_of, shares_of
from almanac.monitoring.checks.importance import Explanation, importances, moved_predictions
from almanac.monitoring.checks.performance import PerformanceState, evaluate
from almanac.monitoring.result import WindowResult
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import ModelVersion
from almanac.scoring.predictions import TIME, PredictionTable
from almanac.statistics.profile import PREDICTED_CLASS, PREDICTION, NumberProfile, ReferenceProfile
from almanac.statistics.segment_figures import measure_groups
from almanac.statistics.tasks import task_of
from almanac.windows.window import Window, complete_windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from almanac.features.split_groups import Hashes
    from almanac.statistics.distribution import Distribution

LABEL, LATENCY = "_label", "_latency_us"
_SHOWN_BEFORE = 6  # windows on the report beside those that decide


@dataclass(frozen=True)
class Watch:
    """One look at a model: everything is read at one dataset version.

    Attributes:
        model: declares windows and limits.
        home: where dataset and predictions are.
        profile: the champion's.
        champion: whose predictions are looked at.
        now: aware; labels that become true after it are not known.
        dataset_version: what is read.
    """

    model: Model
    home: Home
    profile: ReferenceProfile
    champion: ModelVersion
    now: datetime
    dataset_version: int

    def windows(self) -> tuple[WindowResult, ...]:
        """The newest complete windows, the oldest first."""
        reach = DatasetTable.of(self.home, self.model).time_range(self.dataset_version)
        if reach is None:
            return ()
        # no row can arrive in the past, so a window of arrivals is complete as soon as it is over
        until = self.now if self.model.dataset.is_arrival else min(reach[1] + self.model.dataset.step, self.now)
        windows = complete_windows(self.profile.until, until, self.model.monitor.window)
        shown = windows[-(self.model.monitor.drift.windows + _SHOWN_BEFORE) :]
        return tuple(self._evaluate(window) for window in shown)

    def rows(self, window: Window | WindowResult, *, history: bool = False) -> "pl.DataFrame":
        """The window's rows with the champion's `prediction` and `_latency_us`, null where not scored, and `_label`.

        Of several classes the prediction is an array of their probabilities.

        Args:
            window: which.
            history: with the rows before it that features need.
        """
        import polars as pl

        from almanac.features.features import history_needed
        from almanac.features.labels import labels

        model, time = self.model, self.model.dataset.time
        since = window.start - history_needed(model) if history else window.start
        source = ModelRows.newest(self.home, model, version=self.dataset_version)
        frame = source.read(since=since, until=window.end + model.label.horizon)
        frame = frame.with_columns(labels(model, frame, now=self.now).cast(pl.Float64).alias(LABEL))
        frame = shuffled(model, self._judgeable(frame.filter(pl.col(time) < window.end)))
        found = PredictionTable.of(self.home, model).read(self.champion.version, since=window.start, until=window.end)
        if not found.height:
            return frame
        keys = [key for key in model.dataset.key if key != time]
        prediction, took = task_of(model.label).read(found, PREDICTION), pl.col("latency_us").alias(LATENCY)
        predictions = found.select(pl.col(TIME).alias(time), *keys, prediction, took)
        return frame.join(predictions, on=[time, *keys], how="left", maintain_order="left")

    def _judgeable(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """The rows without the labels of those whose groups the champion was trained on, where rows have no time.

        A customer who is delivered again is no stranger to the champion: on such rows it looks better than it is.
        """
        import polars as pl

        groups = split_groups(self.model, frame)
        if groups is None:
            return frame
        seen = pl.Series(groups).is_in(pl.Series(self._groups_at_training).implode())
        trained = seen & ~pl.Series(is_held_out(self.model, groups))
        return frame.with_columns(pl.when(~trained).then(pl.col(LABEL)).alias(LABEL))

    @cached_property
    def _groups_at_training(self) -> "Hashes":
        columns, label = list(group_columns(self.model)), self.model.label.column
        table, wanted = DatasetTable.of(self.home, self.model), list(dict.fromkeys([*columns, label]))
        known = table.read(version=self.champion.dataset_version, columns=wanted).drop_nulls(label)
        return hash_values(known.select(columns))

    def scored(self, window: Window | WindowResult) -> "pl.DataFrame":
        """The window's rows that were scored, `_label` NaN where it is not known."""
        return _scored(self.rows(window), self.model.label.class_count)

    def labelled_window(self, windows: tuple[WindowResult, ...]) -> LabelledWindow | None:
        """The newest window whose performance is known, to compare versions on."""
        known = [window for window in windows if window.performance.standing is not PerformanceState.INSUFFICIENT]
        return self._labelled(known[-1]) if known else None

    def explain(
        self, windows: tuple[WindowResult, ...], graph: bytes, previous: tuple[str, bytes] | None = None
    ) -> Explanation | None:
        """What the champion looks at, now and in the oldest window that is shown, and what moved its predictions.

        Args:
            windows: the oldest first.
            graph: the champion's.
            previous: number and graph of the version before, to compare with.
        """
        known = [window for window in windows if window.performance.standing is not PerformanceState.INSUFFICIENT]
        if not known:
            return None
        served = OnnxModel(graph)
        now, before = self._labelled(known[-1]), self._labelled(known[0])
        references = self._references(windows[-1])
        number, theirs = ("", None) if previous is None else (previous[0], OnnxModel(previous[1]))
        comparable = theirs is not None and theirs.takes(now.features)
        return Explanation(
            window_end=known[-1].end,
            importances=importances(self.model, served, now.features, now.observed),
            before_end=known[0].end,
            before=importances(self.model, served, before.features, before.observed),
            moved=moved_predictions(self.model, served, self.rows(windows[-1], history=True), references),
            previous_version=number if comparable else "",
            previous=importances(self.model, theirs, now.features, now.observed) if theirs and comparable else (),
        )

    def _references(self, window: WindowResult) -> "dict[str, Distribution | Mapping[str, float]]":
        """What the drifted columns were: distributions of numbers, shares of texts."""
        columns = (self.profile.column(name) for name in window.drifted)
        known = {
            column.name: reference_of(column, window.weights)
            if isinstance(column, NumberProfile)
            else shares_of(column, window.weights)
            for column in columns
            if column is not None and column.name not in (PREDICTION, PREDICTED_CLASS)
        }
        return {name: reference for name, reference in known.items() if reference is not None}

    def ages(self) -> Ages:
        """The newest of everything."""
        import polars as pl

        from almanac.features.labels import label_columns, labels

        model, time = self.model, self.model.dataset.time
        frame = DatasetTable.of(self.home, model).read(version=self.dataset_version, columns=label_columns(model))
        known = frame.filter(labels(model, frame, now=self.now).is_not_null())
        prediction = PredictionTable.of(self.home, model).newest(self.champion.version)
        newest = frame[time].max()
        return Ages(
            row=newest + model.dataset.step if isinstance(newest, datetime) else None,
            label=known.select(pl.col(time).max()).item() if known.height else None,
            prediction=prediction,
            champion=self.champion.created_at,
        )

    def _labelled(self, window: WindowResult) -> LabelledWindow:
        import numpy as np
        import polars as pl

        from almanac.features.features import build_features
        from almanac.features.labels import state_now

        frame = self.rows(window, history=True)
        matrix = build_features(self.model, frame)
        inside = (pl.col(self.model.dataset.time) >= window.start) & pl.col(LABEL).is_not_null()
        chosen = frame.select((inside & pl.col(PREDICTION).is_not_null()).alias("chosen"))["chosen"].to_numpy()
        state = state_now(self.model, frame).cast(pl.Float64).fill_null(strategy="forward").fill_null(0.0).to_numpy()
        return LabelledWindow(
            start=window.start,
            features=matrix.taken(chosen),
            observed=frame[LABEL].to_numpy()[chosen].astype(np.float64),
            champion=frame[PREDICTION].to_numpy()[chosen],
            threshold=self.profile.threshold,
            state=state[chosen],
        )

    def _evaluate(self, window: Window) -> WindowResult:
        frame = self.rows(window)
        weights = part_weights(self.model, self.profile, frame)
        scored = _scored(frame, self.model.label.class_count)
        predicted, truth = scored[PREDICTION].to_numpy(), scored[LABEL].to_numpy()
        performance = evaluate(self.model, self.profile, probabilities=predicted, labels=truth, weights=weights)
        return WindowResult(
            window.start,
            window.end,
            frame.height,
            weights,
            assess(self.model, self.profile, frame),
            performance,
            measure_groups(self.model, self.profile, scored, predicted, truth),
            _median(scored, LATENCY),
        )


def _scored(frame: "pl.DataFrame", classes: int) -> "pl.DataFrame":
    import polars as pl

    if PREDICTION not in frame.columns:
        kind = pl.Array(pl.Float64, classes) if classes else pl.Float64
        frame = frame.clear().with_columns(pl.lit(None, dtype=kind).alias(PREDICTION))
    return frame.filter(pl.col(PREDICTION).is_not_null()).with_columns(pl.col(LABEL).fill_null(float("nan")))


def _median(frame: "pl.DataFrame", column: str) -> float | None:
    import polars as pl

    value = frame[column].cast(pl.Float64).median() if column in frame.columns else None
    return value if isinstance(value, float) else None
