"""One JSON value as the typed value that ingest would make of its text; anything else is `UnclearError`."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from almanac.config.sections.dataset import Column, Normalise
from almanac.validation.rules import Rule

Cell = float | int | str | None
Reader = Callable[[object], Cell]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_EXACT = 2**53  # whole numbers above are not all representable in a float
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_SPACES = " \t\n\r\x0b\x0c"  # of ASCII, those that polars takes off: Python takes off more
_LAST_YEAR = 9998  # later ones are refused by the general path


class UnclearError(Exception):
    """The general path must look at this row: the short one does not know what it means, or whether it is right."""


def cell_reader(column: Column, rules: Sequence[Rule]) -> Reader | None:
    """How a value of a column is read and checked; None: only the general path knows.

    Args:
        column: declared.
        rules: of this column, those that a request must keep.
    """
    nullable = not any(rule.kind == "null" for rule in rules)
    ranges = [(rule.minimum, rule.maximum) for rule in rules if rule.kind == "range"]
    low = max((each for each, _ in ranges if each is not None), default=-math.inf)
    high = min((each for _, each in ranges if each is not None), default=math.inf)
    match column.type:
        case "float":
            return _or_null(_float(low, high), nullable)
        case "integer":
            return _or_null(_integer(low, high), nullable)
        case "timestamp" if column.time_format.kind == "iso":
            first = [rule.moment for rule in rules if rule.moment is not None]
            return _or_null(_time(max(map(microseconds, first), default=None)), nullable)
        # a pattern is run by polars alone: there is time for it in a thread, and no text makes it take long
        case "string" if not any(rule.kind == "regex" for rule in rules):
            allowed = [frozenset(rule.values) for rule in rules if rule.kind == "values"]
            text = _text(column.normalise)
            return _or_null(_one_of(text, frozenset.intersection(*allowed)) if allowed else text, nullable)
    return None


def microseconds(time: datetime) -> int:
    """Since 1970, of an aware time."""
    return (time - EPOCH) // MICROSECOND


def _or_null(read: Reader, nullable: bool) -> Reader:
    if not nullable:
        return read

    def read_or_null(value: object) -> Cell:
        return None if value is None else read(value)

    return read_or_null


def _float(low: float, high: float) -> Reader:
    def read(value: object) -> Cell:
        kind = type(value)  # of a bool it is neither
        if kind is not float and (kind is not int or not -_EXACT <= value <= _EXACT):  # type: ignore[operator]
            raise UnclearError
        number = float(value)  # type: ignore[arg-type]
        if not low <= number <= high or math.isinf(number):  # a NaN is between no limits
            raise UnclearError
        if not number and math.copysign(1.0, number) < 0:  # the way of batches makes it 0.0
            raise UnclearError
        return number

    return read


def _integer(low: float, high: float) -> Reader:
    def read(value: object) -> Cell:
        if type(value) is not int or not -_EXACT <= value <= _EXACT or not low <= value <= high:
            raise UnclearError
        return value

    return read


def _time(first: int | None) -> Reader:
    def read(value: object) -> Cell:
        if type(value) is not str or not _ISO.fullmatch(value):
            raise UnclearError
        try:
            time = datetime.fromisoformat(value)
            moment = (time - EPOCH) // MICROSECOND
            year = time.astimezone(UTC).year
        except (ValueError, OverflowError) as error:
            raise UnclearError from error
        if year > _LAST_YEAR or (first is not None and moment < first):
            raise UnclearError
        return moment

    return read


def _text(how: Normalise | None) -> Reader:
    def read(value: object) -> Cell:
        if type(value) is not str or not value:
            raise UnclearError
        if how is not None:
            if not value.isascii():  # two libraries' tables of letters may differ
                raise UnclearError
            value = value.strip(_SPACES) if how.trim else value
            value = {"keep": value, "lower": value.lower(), "upper": value.upper()}[how.case]
            value = how.map.get(value, value)
            if not value:
                raise UnclearError
        return value

    return read


def _one_of(text: Reader, allowed: frozenset[str]) -> Reader:
    def read(value: object) -> Cell:
        found = text(value)
        if found not in allowed:
            raise UnclearError
        return found

    return read
