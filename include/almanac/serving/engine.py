"""Answers requests with what is served now: read, check, features, graph, log."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

from almanac.config.schema import Model
from almanac.config.sections.serving import Serving
from almanac.errors import AlmanacError, TransientError
from almanac.features.features import build_features
from almanac.scoring.answer import answer
from almanac.scoring.fingerprint import hash_features
from almanac.scoring.predictions import NO_VERSION
from almanac.serving.answer_log import AnswerLog, LoggedAnswer
from almanac.serving.request_rows import RequestError, Row
from almanac.serving.served_model import ServedModel, ServedVersion

if TYPE_CHECKING:
    import polars as pl

ARM = "champion"


@dataclass(frozen=True)
class PredictionRequest:
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

        serve = served.model.serve or Serving()
        began = time.perf_counter()
        try:
            rows = pl.concat([asked[number] for number in group])
            warnings = _warn_of_age(served, rows)
            matrix = build_features(served.model, served.frame_for(rows))
            newest = matrix.taken(slice(-rows.height, None))
            answers = answer(served.model, served.graph, newest)
        except AlmanacError as error:
            return [error for _ in group]
        latency_us = (time.perf_counter() - began) / rows.height * 1e6
        hashes, said = hash_features(newest.values), pl.DataFrame(answers.columns).to_dicts()
        replies: list[Reply | AlmanacError] = []
        logged: list[LoggedAnswer] = []
        for number in group:
            request, first = requests[number], len(logged)
            for position, sent in enumerate(request.rows, start=first):
                logged.append(
                    LoggedAnswer(
                        id=uuid4().hex,
                        time=_written(rows[served.model.dataset.time][position]),
                        key=json.dumps({name: rows[name][position] for name in _other_keys(served.model)}, default=str),
                        **_predicted(served.model, said[position]),
                        missing=answers.missing[position],
                        features_hash=int(hashes[position]),
                        inputs=json.dumps(sent) if serve.log_inputs else None,
                        model_version=served.version,
                        dataset_version=NO_VERSION if served.history is None else served.history.rows.version,
                        arm=ARM,
                        caller=request.caller,
                        asked_at=_written(now),
                        latency_us=latency_us,
                    )
                )
            bodies = [
                _as_sent(each, said[position], warnings) for position, each in enumerate(logged[first:], start=first)
            ]
            replies.append(Reply(served.version, _history(served), bodies))
        self._log.write(self._model.name, logged, durable=serve.durable)
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


def _as_sent(logged: LoggedAnswer, said: dict[str, object], warnings: tuple[str, ...]) -> dict[str, object]:
    """What the caller is told of a row: the columns that a batch would have."""
    body: dict[str, object] = {"id": logged.id, **said}
    if logged.missing is not None:
        body["missing"] = logged.missing.split(", ")
    if warnings:
        body["warnings"] = list(warnings)
    return body


class _Predicted(TypedDict):
    prediction: float | None
    label: str | None
    probabilities: str | None


def _predicted(model: Model, said: dict[str, Any]) -> _Predicted:
    """What a batch's columns say of a row, in the form of the log, which is one for all kinds of labels."""
    label, classes = said.get("label"), model.label.probability_columns
    return {
        "prediction": said[model.label.kind.prediction_column],
        "label": None if label is None else str(label),
        "probabilities": json.dumps({name: said[column] for name, column in classes.items()}) if classes else None,
    }


def _other_keys(model: Model) -> list[str]:
    return [name for name in model.dataset.key if name != model.dataset.time]


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


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
