"""What an event may carry: a small, closed schema, declared field by field."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.display import MAX_NAME, MAX_NAMES, shorten, show

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "timestamp": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
}


class PayloadField(Section):
    """One field of an event's payload."""

    type: Literal["string", "number", "integer", "boolean", "timestamp"] = Field(description="What the value must be.")
    required: bool = Field(True, description="Whether an event without it is refused.")
    description: str = Field("", description="What it means, for people.")
    values: tuple[str, ...] | None = Field(None, description="The only texts allowed.")
    max_length: int = Field(200, ge=1, description="Of a text.")
    min: float | None = Field(None, description="The smallest number that is accepted.")
    max: float | None = Field(None, description="The largest number that is accepted.")

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Self:
        if (self.min is not None or self.max is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"min and max need type number or integer; got type {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min above max; got min {self.min}, max {self.max}")
        if self.values is not None and self.type != "string":
            raise ValueError(f"values needs type string; got type {self.type}")
        return self


def payload_problems(declared: Mapping[str, PayloadField], payload: Mapping[str, object]) -> tuple[str, ...]:
    """Everything that is wrong with a payload; empty when it is as declared."""
    others = sorted(payload.keys() - declared)
    unknown = [
        f"{shorten(name, MAX_NAME)}: unknown field; declared are {sorted(declared)}" for name in others[:MAX_NAMES]
    ]
    if len(others) > MAX_NAMES:
        unknown.append(f"and {len(others) - MAX_NAMES:,} more unknown fields")
    missing = [f"{name}: missing" for name, field in declared.items() if field.required and name not in payload]
    wrong = [
        f"{name}: {problem}"
        for name, field in declared.items()
        if name in payload and (problem := _problem(field, payload[name]))
    ]
    return (*unknown, *missing, *wrong)


def _problem(field: PayloadField, value: object) -> str:
    # In Python a boolean is an integer; in a payload it is none.
    is_type = isinstance(value, _TYPES[field.type]) and (field.type == "boolean" or not isinstance(value, bool))
    if not is_type:
        return f"not a {field.type}; got {show(value)}"
    if isinstance(value, str):
        return _text_problem(field, value)
    # Written so that NaN, which Python's JSON lets in, is refused too.
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = float("-inf") if field.min is None else field.min
        high = float("inf") if field.max is None else field.max
        if not low <= value <= high:
            return f"out of range; got {show(value)}, expected {low} to {high}"
    return ""


def _text_problem(field: PayloadField, text: str) -> str:
    if len(text) > field.max_length:
        return f"longer than {field.max_length} characters; got {len(text)}"
    if field.values is not None and text not in field.values:
        return f"not allowed; got {show(text)}, expected one of {list(field.values)}"
    if field.type != "timestamp":
        return ""
    try:
        offset = datetime.fromisoformat(text).tzinfo
    except ValueError:
        return f"not a timestamp; got {show(text)}, expected for example 2026-01-31T06:00:00Z"
    return "" if offset else f"a timestamp without an offset; got {show(text)}"
