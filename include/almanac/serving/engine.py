"""Answers requests with what is served now: read, check, features, graph, log."""

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
from almanac.serving.arms import RowAnswer
from almanac.serving.asked_rows import AskedRows
from almanac.serving.request_rows import RequestError, Row
from almanac.serving.served_model import ServedModel, ServedVersion

if TYPE_CHECKING:
    import polars as pl

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
            for number, reply in zip(group, self._answer(served, group, asked, requests, now), strict=True):
                replies[number] = reply
        return [reply for reply in replies if reply is not None]

    def _answer(
        self,
        served: ServedVersion,
        group: Sequence[int],
        asked: "dict[int, pl.DataFrame]",
        requests: Sequence[PredictionRequest],
        now: datetime,
    ) -> list[Reply | AlmanacError]:
        """Answer requests that share no key, in one pass through features and graph."""
        import polars as pl

        began = time.perf_counter()
        arms = self._model.arms_of(served)
        sent = [row for number in group for row in requests[number].rows]
        callers = [requests[number].caller for number in group for _ in requests[number].rows]
        try:
            rows = pl.concat([asked[number] for number in group])
            warnings = _warn_of_age(served, rows)
            matrix = build_features(served.model, served.frame_for(rows))
            newest = matrix.taken(slice(-rows.height, None))
            version = NO_VERSION if served.history is None else served.history.rows.version
            features_us = (time.perf_counter() - began) / rows.height * 1e6
            those = AskedRows(served.model, arms, rows, sent, callers, newest, now, version, features_us)
            answers = arms.answer(newest, those.units)
        except AlmanacError as error:
            return [error for _ in group]
        logged = those.logged(answers)
        self._log.write(self._model.name, logged, durable=(served.model.serve or Serving()).durable)
        if not those.mirror(logged, self._log):
            self._model.unmirrored += 1
        replies: list[Reply | AlmanacError] = []
        first = 0
        for number in group:
            end = first + len(requests[number].rows)
            bodies = [
                _as_sent(log, each, warnings, named=arms.challenger is not None)
                for log, each in zip(logged[first:end], answers[first:end], strict=True)
            ]
            by = {(each.version, each.arm) for each in answers[first:end]}
            answered_by, arm = by.pop() if len(by) == 1 else (None, MIXED)
            counts = Counter(each.arm for each in answers[first:end])
            replies.append(Reply(answered_by, arm, _history(served), bodies, dict(counts)))
            first = end
        return replies


def _warn_of_age(served: ServedVersion, rows: "pl.DataFrame") -> tuple[str, ...]:
    """A warning where the dataset is older than it may be for these rows.

    Raises:
        StaleError: it is, and the YAML says to refuse.
    """
    serve, history = served.model.serve, served.history
    if serve is None or serve.max_staleness is None or history is None:
        return ()
    latest = rows[served.model.dataset.time].sort()[-1]
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


def _history(served: ServedVersion) -> dict[str, object] | None:
    """The state of the dataset that features looked back into."""
    if served.history is None:
        return None
    newest = served.history.newest
    return {"dataset_version": served.history.rows.version, "until": newest.isoformat() if newest else None}


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
