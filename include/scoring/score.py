"""Batch scoring with the champion's ONNX graph, and with that of a version in shadow, chunk by chunk."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from include.config.home import Home
from include.config.schema import Model
from include.data.dataset import Dataset
from include.data.delta_table import ConcurrentCommitError
from include.data.model_rows import ModelRows
from include.errors import ConfigError
from include.features.features import feature_columns, history_needed
from include.journal.records import RunRef
from include.monitoring.profile import Profile
from include.registry.onnx_model import OnnxModel
from include.registry.records import SHADOW, ModelVersion
from include.scoring.answers import Answers, answer, ask
from include.scoring.plan import Chunk, WindowContent, chunks, window_contents
from include.scoring.port import ChampionRegistry
from include.scoring.predictions import NO_VERSION, PredictionTable, window_key
from include.scoring.windows import window_of

CATCH_UP = timedelta(days=400)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ScoreSummary:
    """What one scoring did. `rows` and `windows` are 0 when there was nothing to do; `message` says why.

    `rejected` of the rows have no prediction, because an input was missing that must not be; `imputed` were filled with
    what the graph learnt in training; `missing` counts rows by feature. Times are ISO 8601 in UTC, or empty; versions
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
    shadow_version: str = ""
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
    """Score what the champion has not scored yet, or a range that a person gives; a version in shadow scores the same.

    Windows of `score.window` are scored whole and replaced whole. New are the windows since the end of the champion's
    training, at most `CATCH_UP` back, whose rows came from other batches than when they were scored: more rows,
    corrected ones. A given range is widened to whole windows and scored in any case. Memory does not grow with the
    number of rows: they are read, scored and committed in chunks. A run that dies goes on where it died.

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
        TransientError: a store is away, or other runs kept committing to the predictions.
    """
    _check_range(model, since, until)
    champion = registry.champion(model.name)
    if champion is None:
        return ScoreSummary(model.name, "no champion yet: nothing to score with")
    scorers = [_scorer(model, registry, champion, PredictionTable.of(home, model))]
    shadow = registry.by_alias(model.name, SHADOW) if model.shadow is not None else None
    if shadow is not None and shadow.version != champion.version:
        scorers.append(_scorer(model, registry, shadow, PredictionTable.shadow_of(home, model)))
    job = _Job(model, home, tuple(scorers), run, now)
    job.score(since, until)
    return job.summary()


@dataclass(frozen=True, eq=False)
class _Scorer:
    """One version and where its answers go; `since` is the first window that it was not trained on."""

    version: ModelVersion
    graph: OnnxModel
    table: PredictionTable
    since: datetime


def _scorer(model: Model, registry: ChampionRegistry, version: ModelVersion, table: PredictionTable) -> _Scorer:
    graph = OnnxModel(registry.load_onnx(version))
    known_until = Profile.from_json(registry.load_profile(version)).until
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

    def add(self, chunk: Chunk, answers: Answers, predictions_version: int) -> None:
        self.windows |= chunk.contents.keys()
        self.rows += answers.rows.height
        self.rejected += answers.rejected
        self.imputed += answers.imputed
        self.missing += Counter(answers.missing)
        self.predictions_version = predictions_version


@dataclass(frozen=True, eq=False)
class _Job:
    model: Model
    home: Home
    scorers: tuple[_Scorer, ...]
    run: RunRef
    now: datetime
    done: _Done = field(default_factory=_Done)

    # Whoever lost a race looks again at what is new: the other run may have scored newer rows of the same windows.
    @retry(
        retry=retry_if_exception_type(ConcurrentCommitError),
        stop=stop_after_attempt(5),
        wait=wait_random(0.05, 0.5),
        reraise=True,
    )
    def score(self, since: datetime | None, until: datetime | None) -> None:
        """Score the range, or without one what is new."""
        dataset, size = Dataset.of(self.home, self.model), self.model.score.window
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
        for chunk in chunks(windows, chosen, size):
            self._score(rows, chunk)

    def _start(self, dataset: Dataset, version: int, since: datetime | None, *, given: bool) -> datetime:
        size, champion = self.model.score.window, self.scorers[0]
        if given:
            return champion.since if since is None else window_of(since, size).start
        newest = dataset.time_range(version)
        start = min(scorer.since for scorer in self.scorers)
        return start if newest is None else max(start, window_of(newest[1] - CATCH_UP, size).start)

    def _changed(self, windows: list[WindowContent]) -> list[WindowContent]:
        """The windows that one of the versions has not scored, or of other rows."""
        known = [(scorer.since, scorer.table.contents(scorer.version.version)) for scorer in self.scorers]
        return [
            window
            for window in windows
            if any(window.start >= since and of.get(window_key(window.start)) != window.digest for since, of in known)
        ]

    def _score(self, rows: ModelRows, chunk: Chunk) -> None:
        frame = rows.read(
            columns=list(feature_columns(self.model)),
            since=chunk.start - history_needed(self.model),
            until=chunk.end,
        )
        questions = ask(self.model, frame, chunk.start)
        for scorer in reversed(self.scorers):  # the champion's last: when they are there, the others' are too
            number = scorer.version.version
            answers = answer(
                self.model, scorer.graph, questions, chunk,
                model_version=number, dataset_version=rows.version, now=self.now,
            )  # fmt: skip
            written = scorer.table.replace(
                answers.rows, number, chunk.start, chunk.end, metadata=self._metadata(scorer, rows)
            )
            if scorer is self.scorers[0]:
                self.done.add(chunk, answers, written)

    def _metadata(self, scorer: _Scorer, rows: ModelRows) -> Mapping[str, str]:
        return {
            **{f"almanac.joined.{name}": str(version) for name, version in rows.joined.items()},
            "almanac.dag_id": self.run.dag_id,
            "almanac.run_id": self.run.run_id,
            "almanac.model_version": scorer.version.version,
        }

    def summary(self) -> ScoreSummary:
        """What was done."""
        champion, done = self.scorers[0].version.version, self.done
        if not done.windows:
            return ScoreSummary(self.model.name, "nothing new to score", champion, done.dataset_version)
        shadow = self.scorers[1].version.version if len(self.scorers) > 1 else ""
        return ScoreSummary(
            model=self.model.name,
            message=f"scored {done.rows} rows in {len(done.windows)} windows with version {champion}"
            + (f", in shadow with version {shadow}" if shadow else "")
            + (f"; {done.rejected} without a prediction: an input is missing" if done.rejected else ""),
            model_version=champion,
            dataset_version=done.dataset_version,
            predictions_version=done.predictions_version,
            rows=done.rows,
            windows=len(done.windows),
            since=window_key(min(done.windows)),
            until=window_key(max(done.windows) + self.model.score.window),
            shadow_version=shadow,
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
