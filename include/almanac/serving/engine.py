"""Answers requests with what is served now: read, check, features, graph, log."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from almanac.errors import AlmanacError, TransientError
from almanac.features.features import FeatureMatrix, build_features
from almanac.scoring.answer import Answers, answer
from almanac.scoring.fingerprint import hash_features
from almanac.scoring.predictions import NO_VERSION
from almanac.serving.answer_log import AnswerLog, LoggedAnswer
from almanac.serving.request_rows import Problem, RequestError, Row
from almanac.serving.served_model import Served, ServedModel

if TYPE_CHECKING:
    import polars as pl

ARM = "champion"


@dataclass(frozen=True)
class Question:
    """The rows of one request, and who sent them."""

    rows: Sequence[Row]
    caller: str


@dataclass(frozen=True)
class Reply:
    """The answers to one request, one for each row, as they are sent."""

    version: str
    history: dict[str, object] | None
    answers: list[dict[str, object]]


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

    def answer(self, questions: Sequence[Question]) -> list[Reply | AlmanacError]:
        """Answer each of them, or say what is wrong with it; one that is wrong does not touch the others.

        All are answered with the same version.
        """
        served = self._model.served
        if served is None:
            words = "; ".join(self._model.problems.values()) or "it has just started"
            return [NotServedError(f"{self._model.name}: {words}") for _ in questions]
        now = self._clock()
        frame, problems = served.reader.read([question.rows for question in questions], now=now)
        replies: list[Reply | AlmanacError | None] = [RequestError(each) if each else None for each in problems]
        good = [number for number, each in enumerate(problems) if not each]
        ends = _ends(questions)
        asked = {
            number: frame.slice(ends[number] - len(questions[number].rows), len(questions[number].rows))
            for number in good
        }
        for group in _groups(served, asked):
            for number, reply in zip(group, self._answer(served, group, asked, questions, now), strict=True):
                replies[number] = reply
        return [reply for reply in replies if reply is not None]

    def _answer(
        self,
        served: Served,
        group: Sequence[int],
        asked: "dict[int, pl.DataFrame]",
        questions: Sequence[Question],
        now: datetime,
    ) -> list[Reply | AlmanacError]:
        """Answer requests that share no key, in one pass through features and graph."""
        import polars as pl

        began = time.perf_counter()
        try:
            rows = pl.concat([asked[number] for number in group])
            stale = self._stale(served, rows)
            matrix = build_features(served.model, served.frame_for(rows))
            newest = FeatureMatrix(matrix.names, matrix.values[-rows.height :], matrix.times[-rows.height :])
            answers = answer(served.model, served.graph, newest)
        except AlmanacError as error:
            return [error for _ in group]
        latency_us = (time.perf_counter() - began) / rows.height * 1e6
        hashes = hash_features(newest.values)
        replies, position = [], 0
        logged: list[LoggedAnswer] = []
        for number in group:
            question = questions[number]
            made = []
            for row in question.rows:
                body, record = _one(served, rows, answers, position, warnings=stale)
                made.append(body)
                logged.append(
                    LoggedAnswer(
                        **record,
                        features_hash=int(hashes[position]),
                        inputs=json.dumps(row) if served.model.serve and served.model.serve.log_inputs else None,
                        caller=question.caller,
                        asked_at=now.astimezone(UTC).isoformat(),
                        latency_us=latency_us,
                    )
                )
                position += 1
            replies.append(Reply(served.version, _history(served), made))
        self._log.write(self._model.name, logged, durable=bool(served.model.serve and served.model.serve.durable))
        return list(replies)

    def _stale(self, served: Served, rows: "pl.DataFrame") -> tuple[str, ...]:
        """A warning where the dataset is older than allowed.

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
            f" it, expected at most {serve.max_staleness} between (serve.max_staleness)"
        )
        if serve.when_stale == "refuse":
            raise StaleError(words)
        return (words,)


def _one(
    served: Served, rows: "pl.DataFrame", answers: Answers, position: int, *, warnings: tuple[str, ...]
) -> tuple[dict[str, object], dict[str, object]]:
    """One answer as it is sent, and what of it is logged."""
    model = served.model
    rejected = bool(answers.rejected[position])
    prediction = None if rejected else float(answers.predicted[position])
    label = None if served.graph.is_number or prediction is None else int(prediction >= served.graph.threshold)
    missing = answers.missing[position]
    when = rows[model.dataset.time][position].astimezone(UTC).isoformat()
    key = {name: rows[name][position] for name in model.dataset.key if name != model.dataset.time}
    identity = uuid4().hex
    body: dict[str, object] = {"id": identity, model.label.prediction_column: prediction}
    if not served.graph.is_number:
        body["label"] = label
    if missing is not None:
        body["missing"] = missing.split(", ")
    if warnings:
        body["warnings"] = list(warnings)
    record: dict[str, object] = {
        "id": identity,
        "time": when,
        "key": json.dumps(key, default=str),
        "prediction": prediction,
        "label": label,
        "missing": missing,
        "model_version": served.version,
        "dataset_version": NO_VERSION if served.history is None else served.history.rows.version,
        "arm": ARM,
    }
    return body, record


def _history(served: Served) -> dict[str, object] | None:
    """The state of the dataset that features looked back into."""
    if served.history is None:
        return None
    newest = served.history.newest
    return {"dataset_version": served.history.rows.version, "until": newest.isoformat() if newest else None}


def _ends(questions: Sequence[Question]) -> list[int]:
    ends, end = [], 0
    for question in questions:
        end += len(question.rows)
        ends.append(end)
    return ends


def _groups(served: Served, asked: "dict[int, pl.DataFrame]") -> Iterable[list[int]]:
    """Requests that may be answered together: none sees a row of another, and no key is there twice."""
    if served.history is not None:
        return [[number] for number in asked]
    key = list(dict.fromkeys((served.model.dataset.time, *served.model.dataset.key)))
    groups: list[tuple[list[int], set[object]]] = []
    for number, rows in asked.items():
        keys = set(rows.select(key).rows())
        fitting = next((group for group in groups if not group[1] & keys), None)
        if fitting is None:
            groups.append(([number], keys))
        else:
            fitting[0].append(number)
            fitting[1].update(keys)
    return [numbers for numbers, _ in groups]
