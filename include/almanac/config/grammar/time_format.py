"""How the texts of a column of times are written: `format` of the column."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

ISO = "iso"
PIVOT_YEAR = 69  # as in POSIX
_UNITS_US = {
    "ns": 0.001,
    "us": 1.0,
    "ms": 1e3,
    "s": 1e6,
    "min": 60e6,
    "h": 3_600e6,
    "d": 86_400e6,
}
_COUNT = re.compile(r"(epoch|elapsed) (ns|us|ms|s|min|h|d)")
_DIRECTIVE = re.compile(r"%(.)")
_KNOWN = frozenset("YymdeHIMSfpbBjaAz%")
_EXAMPLE = datetime(2021, 10, 23, 16, 45, 56)  # noqa: DTZ001 - as a text shows it; a Saturday whose parts all differ
_EXPECTED = (
    "expected iso, epoch s|ms|us|ns, elapsed s|min|h|d (with origin), excel, or a pattern of"
    f" {' '.join(sorted(f'%{sign}' for sign in _KNOWN if sign != '%'))}, e.g. '%d/%m/%Y %H:%M'"
)


@dataclass(frozen=True)
class TimeFormat:
    """One way to write times.

    Attributes:
        kind: `iso`: ISO 8601; `epoch`: a count since 1970 in UTC; `elapsed`: a count since the column's `origin`;
            `excel`: days since 1899-12-30 by a local clock; `pattern`: a text.
        unit_us: microseconds of one unit of the count.
        pattern: the directives of `datetime.strptime`.
    """

    kind: Literal["iso", "epoch", "elapsed", "excel", "pattern"]
    unit_us: float = 0.0
    pattern: str = ""

    @property
    def has_offset(self) -> bool:
        """Whether each text says its own offset from UTC, or needs none."""
        return self.kind in ("epoch", "elapsed") or "%z" in self.pattern

    @property
    def example(self) -> str:
        """How a time looks, for messages."""
        match self.kind:
            case "iso":
                return "2021-10-23T16:45:56+02:00"
            case "pattern":
                return _EXAMPLE.strftime(self.pattern.replace("%z", "+0200"))
            case "excel":
                return "44492.698564814816"
            case "epoch":
                return f"{_EXAMPLE.replace(tzinfo=UTC).timestamp() * 1e6 / self.unit_us:.0f}"
        return "86400"


def parse_time_format(text: str) -> TimeFormat:
    """The format that a text names.

    Raises:
        ValueError: there is no such format, or it does not say the day.
    """
    if text == ISO:
        return TimeFormat("iso")
    if text == "excel":
        return TimeFormat("excel", _UNITS_US["d"])
    if counted := _COUNT.fullmatch(text):
        kind, unit = counted.groups()
        if kind == "epoch" and unit in ("min", "h"):
            raise ValueError(f"format: no such unit; got {text!r}, {_EXPECTED}")
        return TimeFormat("epoch" if kind == "epoch" else "elapsed", _UNITS_US[unit])
    if "%" not in text:
        raise ValueError(f"format: no such format; got {text!r}, {_EXPECTED}")
    return TimeFormat("pattern", pattern=_checked_pattern(text))


def _checked_pattern(text: str) -> str:
    """The pattern, if it can be read back: a time that is written by it gives its day and its hour."""
    unknown = [f"%{sign}" for sign in _DIRECTIVE.findall(text) if sign not in _KNOWN]
    if unknown or text.endswith("%") != text.endswith("%%"):
        raise ValueError(f"format: unknown directives {unknown or ['%']}; got {text!r}, {_EXPECTED}")
    if "%f" in text.replace(".%f", ""):
        raise ValueError(f"format: %f must stand behind a point, as in %S.%f; got {text!r}")
    directives = set(_DIRECTIVE.findall(text))
    hours = directives & {"H", "I"}
    plain = text.replace("%z", "+0000").replace("%e", "%d")
    written = _EXAMPLE.strftime(plain)
    try:
        read = datetime.strptime(written, plain)  # noqa: DTZ007 - the offset was replaced
    except (ValueError, re.error) as error:
        raise ValueError(f"format: cannot be read; got {text!r}: {error}") from error
    if read.date() != _EXAMPLE.date():
        raise ValueError(
            f"format: does not say the day; got {text!r}, which reads {written!r} as {read:%Y-%m-%d}; expected a year"
            " (%Y or %y) with a month and a day (%m %d, %b %d) or a day of the year (%j)"
        )
    if (hours and read.hour != _EXAMPLE.hour) or (directives & {"M", "S", "f"} and not hours):
        raise ValueError(f"format: does not say the hour; got {text!r}, expected %H, or %I with %p")
    return text
