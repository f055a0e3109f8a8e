"""Batch scoring with one version's ONNX graph, chunk by chunk: the champion's, and by itself one in shadow.

The two share no step: whatever is wrong with the version in shadow, the champion's predictions are published.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import ConcurrentCommitError
from almanac.data.table.model_rows import ModelRows
from almanac.errors import ConfigError, IntegrityError
from almanac.features.features import feature_columns, history_needed, rows_at_once
from almanac.journal.records import RunRef
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import SHADOW, ModelVersion
from almanac.scoring.plan import CHUNK_ROWS, WindowChunk, WindowContent, chunks, window_contents
from almanac.scoring.port import ChampionRegistry
from almanac.scoring.predict import ScoredRows, build_inputs, predict
from almanac.scoring.predictions import NO_VERSION, PredictionTable, window_key
from almanac.statistics.profile import ReferenceProfile
from almanac.windows.window import window_of

CATCH_UP = timedelta(days=400)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ScoreSummary:
    """What one scoring did. `rows` and `windows` are 0 when there was nothing to do; `message` says why.

    `rejected` of the rows have no prediction, because an input was missing that must not be; `imputed` were filled with
    values from the training rows; `missing` counts rows by feature. Times are ISO 8601 in UTC, or empty; versions
    are -1 where there is none.
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
    rejected: int = 0
    imputed: int = 0
    missing: dict[str, int] = field(default_factory=dict)


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
    training, at most `CATCH_UP` back, whose rows came from other batches than when they were scored: more rows,
    corrected ones. Rows without a time are all scored, those of the training too: they are what is known today, and no
    row says that it is only history. A given range is widened to whole windows and scored in any case. Memory does not
    grow with the number of rows: they are read, scored and committed in chunks. An interrupted run continues where it
    stopped.

    Args:
        model: declares features, window and what to do where inputs are missing.
        home: where dataset and predictions are.
        registry: gives the versions.
        run: kept with the commits.
        now: aware; becomes `scored_at`.
        since: first event time of the range; None: see above.
        until: end of the range; None: the end of the dataset.

    Raises:
        ConfigError: the range is empty or a time has no zone.
        DataError: there is no dataset, or it lacks a feature's column.
        IntegrityError: the graph or the profile are not what was registered.
        TransientError: a store is unreachable, or other runs kept committing to the predictions.
    """
    _check_range(model, since, until)
    champion = registry.champion(model.name)
    if champion is None:
        return ScoreSummary(model.name, "no champion yet: no model to score with")
    scorer = _scorer(model, registry, champion, PredictionTable.of(home, model))
    job = _Job(as_trained(model, scorer.graph), home, scorer, run, now)
    job.score(since, until)
    return job.summary()


def score_shadow(model: Model, home: Home, registry: ChampionRegistry, *, run: RunRef, now: datetime) -> ScoreSummary:
    """Score what the version in shadow has not scored yet, into a table of its own.

    A task of its own calls it, never the champion's: this graph may be lost, raise, hang or end the process.

    Args:
        model: declares features, window and whether there is a shadow.
        home: where dataset and predictions are.
        registry: gives the versions.
        run: kept with the commits.
        now: aware; becomes `scored_at`.

    Raises:
        RegistryError: the version is gone.
        DataError, IntegrityError, TransientError: see `score_new_windows`.
    """
    shadow, champion = registry.by_alias(model.name, SHADOW), registry.champion(model.name)
    if model.shadow is None or shadow is None or champion is None or shadow.version == champion.version:
        return ScoreSummary(model.name, "no version is in shadow")
    scorer = replace(_scorer(model, registry, shadow, PredictionTable.shadow_of(home, model)), in_shadow=True)
    job = _Job(as_trained(model, scorer.graph), home, scorer, run, now)
    job.score(None, None)
    done = job.summary()
    return replace(done, message=f"in shadow: {done.message}")


@dataclass(frozen=True, eq=False)
class _Scorer:
    """One version and where its answers go; `since` is the first window that it scores: that it was not trained on.

    Of a version in shadow nothing is written while its graph gives no number: it would wait for its judgement for ever.
    """

    version: ModelVersion
    graph: OnnxModel
    table: PredictionTable
    since: datetime
    in_shadow: bool = False


def _scorer(model: Model, registry: ChampionRegistry, version: ModelVersion, table: PredictionTable) -> _Scorer:
    graph = OnnxModel(registry.load_onnx(version))
    if model.dataset.is_arrival:
        return _Scorer(version, graph, table, _EARLIEST)
    known_until = ReferenceProfile.from_json(registry.load_profile(version)).until
    return _Scorer(version, graph, table, window_of(known_until, model.score.window).start)


@dataclass
class _Done:
    """What was committed, over all tries."""

    windows: set[datetime] = field(default_factory=set)
    rows: int = 0
    rejected: int = 0
    imputed: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    dataset_version: int = NO_VERSION
    predictions_version: int = NO_VERSION

    def add(self, chunk: WindowChunk, scored: ScoredRows, predictions_version: int) -> None:
        self.windows |= chunk.contents.keys()
        self.rows += scored.rows.height
        self.rejected += scored.rejected
        self.imputed += scored.imputed
        self.missing += Counter(scored.missing)
        self.predictions_version = predictions_version


@dataclass(frozen=True, eq=False)
class _Job:
    model: Model
    home: Home
    scorer: _Scorer
    run: RunRef
    now: datetime
    done: _Done = field(default_factory=_Done)

    # After a lost race, plan again:  the other run may have scored newer rows of the same windows.
    @retry(
        retry=retry_if_exception_type(ConcurrentCommitError),
        stop=stop_after_attempt(5),
        wait=wait_random(0.05, 0.5),
        reraise=True,
    )
    def score(self, since: datetime | None, until: datetime | None) -> None:
        """Score the range, or without one what is new."""
        dataset, size = DatasetTable.of(self.home, self.model), self.model.score.window
        rows = ModelRows.newest(self.home, self.model)
        version = self.done.dataset_version = rows.version
        windows = window_contents(
            rows,
            size=size,
            history=history_needed(self.model),
            since=self._start(dataset, version, since, given=since is not None or until is not None),
            until=None if until is None else window_of(until - _MICROSECOND, size).end,
        )
        chosen = windows if since is not None or until is not None else self._changed(windows)
        for chunk in chunks(windows, chosen, size, rows=rows_at_once(self.model, CHUNK_ROWS)):
            self._score(rows, chunk)

    def _start(self, dataset: DatasetTable, version: int, since: datetime | None, *, given: bool) -> datetime:
        size, start = self.model.score.window, self.scorer.since
        if given:
            return start if since is None else window_of(since, size).start
        newest = dataset.time_range(version)
        return start if newest is None else max(start, window_of(newest[1] - CATCH_UP, size).start)

    def _changed(self, windows: list[WindowContent]) -> list[WindowContent]:
        """The windows that the version has not scored, or of other rows."""
        known = self.scorer.table.contents(self.scorer.version.version)
        since = self.scorer.since
        return [
            window
            for window in windows
            if window.start >= since and known.get(window_key(window.start)) != window.digest
        ]

    def _score(self, rows: ModelRows, chunk: WindowChunk) -> None:
        frame = rows.read(
            columns=list(feature_columns(self.model)),
            since=chunk.start - history_needed(self.model),
            until=chunk.end,
        )
        inputs = build_inputs(self.model, frame, chunk.start)
        number = self.scorer.version.version
        scored = predict(
            self.model,
            self.scorer.graph,
            inputs,
            chunk,
            model_version=number,
            dataset_version=rows.version,
            now=self.now,
        )
        if scored.unanswered and self.scorer.in_shadow:
            raise IntegrityError(
                f"{self.model.name}@{number} in shadow: its graph gives no finite number for {scored.unanswered} of"
                f" {scored.rows.height} rows of {window_key(chunk.start)} to {window_key(chunk.end)}, whose inputs"
                " are complete. Train again; to end its shadow run, delete the alias `shadow` in MLflow"
            )
        written = self.scorer.table.replace(scored.rows, number, chunk.start, chunk.end, metadata=self._metadata(rows))
        self.done.add(chunk, scored, written)

    def _metadata(self, rows: ModelRows) -> Mapping[str, str]:
        return {
            **{f"almanac.joined.{name}": str(version) for name, version in rows.joined.items()},
            "almanac.dag_id": self.run.dag_id,
            "almanac.run_id": self.run.run_id,
            "almanac.model_version": self.scorer.version.version,
        }

    def summary(self) -> ScoreSummary:
        """What was done."""
        number, done = self.scorer.version.version, self.done
        if not done.windows:
            return ScoreSummary(self.model.name, "nothing new to score", number, done.dataset_version)
        return ScoreSummary(
            model=self.model.name,
            message=f"scored {done.rows} rows in {len(done.windows)} windows with version {number}"
            + (f"; {done.rejected} without a prediction: an input is missing" if done.rejected else ""),
            model_version=number,
            dataset_version=done.dataset_version,
            predictions_version=done.predictions_version,
            rows=done.rows,
            windows=len(done.windows),
            since=window_key(min(done.windows)),
            until=window_key(max(done.windows) + self.model.score.window),
            rejected=done.rejected,
            imputed=done.imputed,
            missing=dict(done.missing),
        )


def _check_range(model: Model, since: datetime | None, until: datetime | None) -> None:
    naive = [time for time in (since, until) if time is not None and time.tzinfo is None]
    if naive:
        raise ConfigError(f"{model.name}: score: got {naive[0]} without a zone, expected such as 2024-01-01T00:00:00Z")
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"{model.name}: score: since {since} is not before until {until}; give an earlier one")
