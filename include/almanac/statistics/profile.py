"""The reference profile: what the monitor needs to know of the data that a model version was made on.

It is stored with the model version, so that no reference rows are needed later. As JSON it stays below 1 MB.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from almanac.config.grammar.metric import Metric
from almanac.errors import DataError, IntegrityError
from almanac.statistics.distribution import NumberSample
from almanac.statistics.seasons import Split
from almanac.statistics.tasks import PREDICTED

FORMAT = 1
MAX_SIZE_BYTES = 1_000_000
PREDICTION = "prediction"
PREDICTED_CLASS = PREDICTED  # yes or no: the score at the version's threshold; or the likeliest class


@dataclass(frozen=True)
class TextSample:
    """What is kept of the texts of one column.

    Attributes:
        n: values that are not null.
        nulls: values that are null.
        counts: of each category of the column, in its order.
        other: values of no such category.
    """

    n: int
    nulls: int
    counts: tuple[int, ...]
    other: int


@dataclass(frozen=True)
class NumberProfile:
    """A numeric column, by part of the year.

    Attributes:
        name: the column.
        parts: part of the year -> what is kept; the whole year is always there, as `year`.
        design_effect: see `almanac.statistics.dependence`; None: could not be measured.
        longest_run: the most rows in a row with one value.
    """

    name: str
    parts: dict[str, NumberSample]
    design_effect: float | None
    longest_run: int
    kind: Literal["number"] = "number"


@dataclass(frozen=True)
class TextProfile:
    """A text column, by part of the year; `categories` are the most frequent ones, most frequent first."""

    name: str
    categories: tuple[str, ...]
    parts: dict[str, TextSample]
    design_effect: float | None
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Figure:
    """A metric on labelled out-of-sample predictions, with its standard error by the block jackknife.

    `recall` is of the rows of one class.

    `share` is that of the label 1, of several classes of each; None for errors of numbers.
    """

    metric: Metric | Literal["recall"]
    value: float
    standard_error: float
    rows: int
    share: float | tuple[float, ...] | None = None


@dataclass(frozen=True)
class ReferenceProfile:
    """The reference profile of a model version.

    Attributes:
        model: its name.
        since: event time of the first row.
        until: the end of event time: one step after the last row. Monitored windows lie after it.
        rows: rows of the reference.
        split: how the year is split.
        columns: one profile per watched column; `prediction` is the probability of the label 1 or of
            the predicted class, or the number.
        left_out: column -> why it is not watched.
        figures: season (`year`: all) -> metric of the performance monitor, where it has rows enough.
        threshold: from which probability on the version says yes.
        segments: `by=group` -> the same metric, of each group of the declared segments.
    """

    model: str
    since: datetime
    until: datetime
    rows: int
    split: Split
    columns: tuple[NumberProfile | TextProfile, ...]
    left_out: dict[str, str]
    figures: dict[str, Figure]
    threshold: float = 0.5
    segments: dict[str, Figure] = field(default_factory=dict)

    def column(self, name: str) -> NumberProfile | TextProfile | None:
        """The profile of one column, if it is watched."""
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> str:
        """Write the profile; equal profiles give equal text.

        Raises:
            DataError: it would be larger than 1 MB.
        """
        content = {"format": FORMAT, **asdict(self)}
        content |= {"since": self.since.isoformat(), "until": self.until.isoformat()}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        size_bytes = len(text.encode())
        if size_bytes > MAX_SIZE_BYTES:
            raise DataError(
                f"{self.model}: reference profile of {len(self.columns)} columns is {size_bytes} bytes, expected"
                f" at most {MAX_SIZE_BYTES}; declare fewer columns, or monitor.drift.season: season instead of month"
            )
        return text

    @classmethod
    def from_json(cls, text: str) -> "ReferenceProfile":
        """Read what `to_json` wrote.

        Raises:
            IntegrityError: it is no profile, or one of another format.
        """
        try:
            content = json.loads(text)
            known = content.pop("format")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"not a reference profile ({len(text)} characters): {error!r}") from error
        if known != FORMAT:
            raise IntegrityError(f"reference profile of format {known!r}, this version reads {FORMAT}; train again")
        try:
            return _profile(content)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"reference profile of format {known} is incomplete: {error!r}") from error


def _profile(content: dict[str, Any]) -> ReferenceProfile:
    return ReferenceProfile(
        model=content["model"],
        since=datetime.fromisoformat(content["since"]),
        until=datetime.fromisoformat(content["until"]),
        rows=content["rows"],
        split=content["split"],
        columns=tuple(_column(column) for column in content["columns"]),
        left_out=content["left_out"],
        figures={part: Figure(**_tuples(figure)) for part, figure in content["figures"].items()},
        threshold=content.get("threshold", 0.5),
        segments={group: Figure(**_tuples(figure)) for group, figure in content.get("segments", {}).items()},
    )


def _column(content: dict[str, Any]) -> NumberProfile | TextProfile:
    parts = content.pop("parts")
    if content["kind"] == "text":
        texts = {name: TextSample(**_tuples(part)) for name, part in parts.items()}
        return TextProfile(**{**_tuples(content), "parts": texts})
    numbers = {name: NumberSample(**_tuples(part)) for name, part in parts.items()}
    return NumberProfile(**{**content, "parts": numbers})


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
