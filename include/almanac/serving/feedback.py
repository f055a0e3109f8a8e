"""Outcomes that callers send back: each belongs to one answer, comes once, and may come late."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import NUMBER, YES_NO
from almanac.config.schema import Model
from almanac.serving.answer_log import DAY

if TYPE_CHECKING:
    import polars as pl

MOST_OUTCOMES = 10_000
_FORM = 'expected {"outcomes": [{"id": of an answer, "outcome": value}, ...]}'
_ID_LENGTH = 32
_YES_NO = {0: "0", 1: "1"}  # JSON's true and false are equal to these


@dataclass(frozen=True)
class LoggedOutcome:
    """What became of one answered row. Of several with one id the first counts.

    Attributes:
        id: of the answer.
        outcome: as text: 0, 1, a class, or a number.
        received_at: ISO 8601 in UTC.
        caller: whose token it was.
    """

    id: str
    outcome: str
    received_at: str
    caller: str


def read_outcomes(model: Model, body: bytes, *, caller: str, now: datetime) -> list[LoggedOutcome] | str:
    """The outcomes of a request; a text that says why they are none."""
    import msgspec

    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return f"the body is no JSON: {error}; {_FORM}"
    given = content.get("outcomes") if isinstance(content, dict) and set(content) == {"outcomes"} else None
    if not isinstance(given, list) or not all(isinstance(one, dict) and set(one) == {"id", "outcome"} for one in given):
        return f"got another object, {_FORM}"
    if not 1 <= len(given) <= MOST_OUTCOMES:
        return f"got {len(given)} outcomes, expected 1 to {MOST_OUTCOMES}"
    outcomes = []
    for position, one in enumerate(given):
        if not isinstance(one["id"], str) or len(one["id"]) != _ID_LENGTH or not one["id"].isalnum():
            return f"outcome {position}: got the id {one['id']!r:.60}, expected the id of an answer"
        text = _as_text(model, one["outcome"])
        if text is None:
            return f"outcome {position}: got {one['outcome']!r:.60}, expected {_expected(model)}"
        outcomes.append(LoggedOutcome(one["id"], text, now.astimezone(UTC).isoformat(), caller))
    if len({one.id for one in outcomes}) < len(outcomes):
        return "an id is there twice; expected one outcome for each answer"
    return outcomes


def frame_of_outcomes(rows: Sequence[dict[str, Any]]) -> "pl.DataFrame":
    """Logged outcomes as rows of their table."""
    import polars as pl

    frame = pl.DataFrame(rows, schema=dict.fromkeys(LoggedOutcome.__dataclass_fields__, pl.String))
    received = pl.col("received_at").str.to_datetime(time_unit="us", time_zone="UTC")
    return frame.with_columns(received).with_columns(pl.col("received_at").dt.strftime("%Y-%m-%d").alias(DAY))


def _as_text(model: Model, outcome: object) -> str | None:
    """As the log writes labels; None: it is no value of the label."""
    if model.label.kind is YES_NO:
        return _YES_NO.get(outcome) if isinstance(outcome, bool | int) else None
    if model.label.kind is NUMBER:
        number = isinstance(outcome, int | float) and not isinstance(outcome, bool) and math.isfinite(outcome)
        return repr(outcome) if number else None
    return outcome if isinstance(outcome, str) and outcome in (model.label.classes or ()) else None


def _expected(model: Model) -> str:
    if model.label.kind is YES_NO:
        return "0 or 1"
    return "a finite number" if model.label.kind is NUMBER else f"one of {', '.join(model.label.classes or ())}"
