"""Answers requests with what is served now: read, check, features, graph, log."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.sections.serving import Serving
from almanac.errors import AlmanacError, TransientError
from almanac.features.features import build_features
from almanac.scoring.predictions import NO_VERSION
from almanac.serving.answer_log import AnswerLog, LoggedAnswer
from almanac.serving.arms import Arms, RowAnswer
from almanac.serving.asked_rows import AskedRows
from almanac.serving.compiled.cells import UnclearError
from almanac.serving.compiled.plan import ReadRows, RowPlan
from almanac.serving.request_rows import RequestError, Row
from almanac.serving.served_model import ServedModel, ServedVersion

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)
MIXED = "mixed"  # a request of several units, which several versions have answered


@dataclass(frozen=True)
class PredictionRequest:
    """The rows of one request, and who sent them."""

    rows: Sequence[Row]
    caller: str


@dataclass(frozen=True)
class Reply:
    """The answers to one request, one for each row, as they are sent. No version: several have answered."""

    version: str | None
    arm: str
    history: dict[str, object] | None
    answers: list[dict[str, object]]
    rows_by_arm: dict[str, int]


class NotServedError(TransientError):
    """There is nothing to answer with now."""


class StaleError(TransientError):
    """The dataset is older than the YAML allows for rows of this time."""


class Engine:
    """Answers requests for one model.

    Args:
        model: what is served.
        log: keeps what was answered.
        clock: what time it is, aware.
    """

    def __init__(self, model: ServedModel, log: AnswerLog, clock: Callable[[], datetime]) -> None:
        self._model, self._log, self._clock = model, log, clock

    def answer(self, requests: Sequence[PredictionRequest]) -> list[Reply | AlmanacError]:
        """Answer each of them, or say what is wrong with it; one that is wrong does not touch the others.

        All are answered with the same version.
        """
        served = self._model.served
        if served is None:
            words = "; ".join(self._model.problems.values()) or "it has just started"
            return [NotServedError(f"{self._model.name}: {words}") for _ in requests]
        now = self._clock()
        frame, problems = served.reader.read([request.rows for request in requests], now=now)
        replies: list[Reply | AlmanacError | None] = [RequestError(each) if each else None for each in problems]
        good = [number for number, each in enumerate(problems) if not each]
        ends = _ends(requests)
        asked = {
            number: frame.slice(ends[number] - len(requests[number].rows), len(requests[number].rows))
            for number in good
        }
        for group in _groups(served, asked):
            parts = [_Part(requests[number], asked[number]) for number in group]
            for number, reply in zip(group, self._answer_frames(served, parts, now), strict=True):
                replies[number] = reply
        return [reply for reply in replies if reply is not None]

    def answer_quickly(self, requests: Sequence[PredictionRequest]) -> list[Reply | AlmanacError | None]:
        """Answer those that need no frame, and wait for nothing; None: `answer` must.

        What it says is what `answer` would say.
        """
        served = self._model.served
        if served is None or served.plan is None or (served.model.serve or Serving()).durable:
            return [None for _ in requests]
        arms = self._model.arms_of(served)
        if arms.challenger is not None and not arms.challenger.mirrors:
            return [None for _ in requests]  # a challenger may hang
        now = self._clock()
        return [self._answer_rows(served, served.plan, arms, request, now) for request in requests]

    def _answer_rows(
        self, served: ServedVersion, plan: RowPlan, arms: Arms, request: PredictionRequest, now: datetime
    ) -> Reply | AlmanacError | None:
        began = time.perf_counter()
        try:
            read = plan.read(request.rows, now=now)
        except UnclearError:
            return None
        except Exception:  # noqa: BLE001 - a fault of ours; the general path answers all the same
            _log.exception("%s: a request is answered by way of frames", self._model.name)
            return None
        try:
            warnings = _warn_of_age(served, max(read.times))
            return self._reply(served, arms, [request], read, warnings, now, began)[0]
        except AlmanacError as error:
            return error

    def _answer_frames(
        self, served: ServedVersion, parts: "Sequence[_Part]", now: datetime
    ) -> list[Reply | AlmanacError]:
        """Answer requests that share no key, in one pass through features and graph."""
        import polars as pl

        began, dataset = time.perf_counter(), served.model.dataset
        try:
            rows = pl.concat([part.rows for part in parts])
            warnings = _warn_of_age(served, rows[dataset.time].sort()[-1])
            matrix = build_features(served.model, served.frame_for(rows)).taken(slice(-rows.height, None))
            keys = [name for name in dataset.key if name != dataset.time]
            named = rows.select(keys).to_dicts() if keys else [{}] * rows.height
            read = ReadRows(rows[dataset.time].to_list(), named, matrix)
            arms, requests = self._model.arms_of(served), [part.request for part in parts]
            return [*self._reply(served, arms, requests, read, warnings, now, began)]
        except AlmanacError as error:
            return [error for _ in parts]

    def _reply(
        self,
        served: ServedVersion,
        arms: Arms,
        requests: Sequence[PredictionRequest],
        read: ReadRows,
        warnings: tuple[str, ...],
        now: datetime,
        began: float,
    ) -> list[Reply]:
        """Let the arms answer, and log it; one pass for all rows.

        Raises:
            AlmanacError: nobody can answer.
        """
        sent = [row for request in requests for row in request.rows]
        callers = [request.caller for request in requests for _ in request.rows]
        version = NO_VERSION if served.history is None else served.history.rows.version
        features_us = (time.perf_counter() - began) / len(sent) * 1e6
        those = AskedRows(
            served.model, arms, read.times, read.keys, sent, callers, read.matrix, now, version, features_us
        )
        answers = arms.answer(read.matrix, those.units)
        logged = those.logged(answers)
        self._log.write(self._model.name, logged, durable=(served.model.serve or Serving()).durable)
        if not those.mirror(logged, self._log):
            self._model.unmirrored += 1
        replies: list[Reply] = []
        first = 0
        for request in requests:
            end = first + len(request.rows)
            bodies = [
                _as_sent(log, each, warnings, named=arms.challenger is not None)
                for log, each in zip(logged[first:end], answers[first:end], strict=True)
            ]
            by = {(each.version, each.arm) for each in answers[first:end]}
            answered_by, arm = by.pop() if len(by) == 1 else (None, MIXED)
            counts = Counter(each.arm for each in answers[first:end])
            replies.append(Reply(answered_by, arm, served.dataset_state, bodies, dict(counts)))
            first = end
        return replies


@dataclass(frozen=True, eq=False)
class _Part:
    request: PredictionRequest
    rows: "pl.DataFrame"


def _warn_of_age(served: ServedVersion, latest: datetime) -> tuple[str, ...]:
    """A warning where the dataset is older than it may be for rows of which this is the latest time.

    Raises:
        StaleError: it is, and the YAML says to refuse.
    """
    serve, history = served.model.serve, served.history
    if serve is None or serve.max_staleness is None or history is None:
        return ()
    if history.newest is not None and latest - history.newest <= serve.max_staleness:
        return ()
    have = "no row" if history.newest is None else f"rows until {history.newest:%Y-%m-%d %H:%M} UTC"
    words = (
        f"{served.model.name}: the dataset has {have}; features of a row of {latest:%Y-%m-%d %H:%M} UTC look back into"
        f" it; expected at most {serve.max_staleness} between them (serve.max_staleness)"
    )
    if serve.when_stale == "refuse":
        raise StaleError(words)
    return (words,)


def _as_sent(logged: LoggedAnswer, answer: RowAnswer, warnings: tuple[str, ...], *, named: bool) -> dict[str, object]:
    """What the caller is told of a row: the columns that a batch would have, and, during a rollout, who answered."""
    body: dict[str, object] = {"id": logged.id, **answer.said}
    if named:
        body |= {"version": answer.version, "arm": answer.arm}
    if logged.missing is not None:
        body["missing"] = logged.missing.split(", ")
    if warnings:
        body["warnings"] = list(warnings)
    return body


def _ends(requests: Sequence[PredictionRequest]) -> list[int]:
    ends, end = [], 0
    for request in requests:
        end += len(request.rows)
        ends.append(end)
    return ends


def _groups(served: ServedVersion, asked: "dict[int, pl.DataFrame]") -> Iterable[list[int]]:
    """Requests that may be answered together: none sees a row of another, and no key is there twice."""
    if served.history is not None:
        return [[number] for number in asked]
    key = list(dict.fromkeys((served.model.dataset.time, *served.model.dataset.key)))
    groups: list[tuple[list[int], set[tuple[object, ...]]]] = []
    for number, rows in asked.items():
        keys: set[tuple[object, ...]] = set(rows.select(key).rows())
        fitting = next((group for group in groups if not group[1] & keys), None)
        if fitting is None:
            groups.append(([number], keys))
        else:
            fitting[0].append(number)
            fitting[1].update(keys)
    return [numbers for numbers, _ in groups]
