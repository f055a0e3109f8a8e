"""Batch scoring with the champion's ONNX graph."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from include.config.home import Home
from include.config.schema import Model
from include.data.dataset import Dataset
from include.data.delta_table import ConcurrentCommitError
from include.errors import ConfigError
from include.features.features import build_features, feature_columns, history_needed
from include.journal.records import RunRef
from include.monitoring.profile import Profile
from include.registry.onnx_model import OnnxModel
from include.registry.records import ModelVersion
from include.scoring.port import ChampionRegistry
from include.scoring.predictions import NO_VERSION, TIME, VERSION, WINDOW, PredictionTable, window_key, with_windows
from include.scoring.windows import window_of

if TYPE_CHECKING:
    import polars as pl

CATCH_UP = timedelta(days=400)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ScoreSummary:
    """What one scoring did. `rows` and `windows` are 0 when there was nothing to do; `message` says why.

    Times are ISO 8601 in UTC, or empty; versions are -1 where there is none.
    """

    model: str
    message: str
    model_version: str = ""
    dataset_version: int = NO_VERSION
    predictions_version: int = NO_VERSION
    rows: int = 0
    windows: int = 0
    since: str = ""
    until: str = ""


def score_new_windows(
    model: Model,
    home: Home,
    registry: ChampionRegistry,
    *,
    run: RunRef,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ScoreSummary:
    """Score what the champion has not scored yet, or a range that a person gives.

    Windows of `score.window` are scored whole and replaced whole. New are the windows since the end of the champion's
    training, at most `CATCH_UP` back, of which the dataset has another number of rows than the predictions. A given
    range is widened to whole windows and scored in any case.

    Args:
        model: declares features and window.
        home: where dataset and predictions are.
        registry: gives the champion.
        run: kept with the commit.
        now: aware; becomes `scored_at`.
        since: first event time of the range; None: see above.
        until: end of the range; None: the end of the dataset.

    Raises:
        ConfigError: the range is empty or a time has no zone.
        DataError: there is no dataset, or it lacks a feature's column.
        IntegrityError: the graph or the profile are not what was registered.
        TransientError: a store is away, or other runs kept committing to the predictions.
    """
    _check_range(model, since, until)
    champion = registry.champion(model.name)
    if champion is None:
        return ScoreSummary(model.name, "no champion yet: nothing to score with")
    graph = OnnxModel(registry.load_onnx(champion))
    start = since or Profile.from_json(registry.load_profile(champion)).until
    job = _Job(model, home, champion, graph, run, now)
    return job.score(window_of(start, model.score.window).start, until, whole=since is not None or until is not None)


@dataclass(frozen=True, eq=False)
class _Job:
    model: Model
    home: Home
    champion: ModelVersion
    graph: OnnxModel
    run: RunRef
    now: datetime

    # Whoever lost a race looks again at what is new: the other run may have scored newer rows of the same windows.
    @retry(
        retry=retry_if_exception_type(ConcurrentCommitError),
        stop=stop_after_attempt(5),
        wait=wait_random(0.05, 0.5),
        reraise=True,
    )
    def score(self, start: datetime, until: datetime | None, *, whole: bool) -> ScoreSummary:
        """Score windows from `start`; `whole`: all of them, else those that are new."""
        dataset, table = Dataset.of(self.home, self.model), PredictionTable.of(self.home, self.model)
        version, size = dataset.version(), self.model.score.window
        if not whole:
            newest = dataset.time_range(version)
            start = max(start, window_of(newest[1] - CATCH_UP, size).start) if newest else start
        end = None if until is None else window_of(until - _MICROSECOND, size).end
        frame = dataset.read(
            version=version,
            columns=list(feature_columns(self.model)),
            since=start - history_needed(self.model),
            until=end,
        )
        rows = self._predict(frame, start, version)
        scored = {} if whole else table.counts(self.champion.version)
        rows = _changed(rows, scored)
        windows = _starts(rows)
        if not windows:
            return ScoreSummary(self.model.name, "nothing new to score", self.champion.version, version)
        metadata = {"almanac.dag_id": self.run.dag_id, "almanac.run_id": self.run.run_id}
        written = table.replace(rows, self.champion.version, windows, metadata=metadata)
        return ScoreSummary(
            model=self.model.name,
            message=f"scored {rows.height} rows in {len(windows)} windows with version {self.champion.version}",
            model_version=self.champion.version,
            dataset_version=version,
            predictions_version=written,
            rows=rows.height,
            windows=len(windows),
            since=window_key(min(windows)),
            until=window_key(max(windows) + size),
        )

    def _predict(self, frame: "pl.DataFrame", start: datetime, dataset_version: int) -> "pl.DataFrame":
        """One row per row of the frame from `start` on."""
        import polars as pl

        time = self.model.dataset.time
        probability = pl.Series("probability", self.graph.score(build_features(self.model, frame)))
        keys = [pl.col(key) for key in self.model.dataset.key if key != time]
        rows = frame.select(
            pl.col(time).alias(TIME),
            *keys,
            probability,
            (probability >= self.graph.threshold).cast(pl.Int8).alias("label"),
            pl.lit(self.champion.version).alias(VERSION),
            pl.lit(dataset_version, dtype=pl.Int64).alias("dataset_version"),
            pl.lit(self.now.astimezone(UTC), dtype=pl.Datetime("us", "UTC")).alias("scored_at"),
        )
        return with_windows(rows.filter(pl.col(TIME) >= start), self.model.score.window // _MICROSECOND)


def _changed(rows: "pl.DataFrame", scored: dict[str, int]) -> "pl.DataFrame":
    """Leave out the rows of windows that have as many rows as were scored already."""
    import polars as pl

    if not rows.height:
        return rows
    counted = rows.group_by(WINDOW).len().iter_rows()
    changed = [window for window, count in counted if scored.get(window) != count]
    return rows.filter(pl.col(WINDOW).is_in(changed))


def _starts(rows: "pl.DataFrame") -> Collection[datetime]:
    return [datetime.fromisoformat(window) for window in rows[WINDOW].unique().sort()]


def _check_range(model: Model, since: datetime | None, until: datetime | None) -> None:
    naive = [time for time in (since, until) if time is not None and time.tzinfo is None]
    if naive:
        raise ConfigError(f"{model.name}: score: got {naive[0]} without a zone, expected such as 2024-01-01T00:00:00Z")
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"{model.name}: score: since {since} is not before until {until}; give an earlier one")
