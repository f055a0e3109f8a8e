"""A time of the day that people read says its zone."""

import ast
import re
from collections.abc import Iterator

import pytest

from almanac.config.home import REPOSITORY

_ZONE = re.compile(r"^Z\b|\bUTC\b")
# A cell of a table whose heading says the zone; a time whose zone is a variable.
HEADED = {
    "include/almanac/reporting/templates.py: %Y-%m-%d %H:%M",
    "include/almanac/reporting/templates.py: %a %H:%M",
    "include/almanac/config/grammar/ready_by.py: %H:%M",
}


def times_without_zone(text: str) -> Iterator[str]:
    """The formats of times of the day in f-strings of which no zone is said behind them."""
    for node in ast.walk(ast.parse(text)):
        for at, one in enumerate(node.values if isinstance(node, ast.JoinedStr) else ()):
            spec = ast.unparse(one.format_spec)[2:-1] if isinstance(one, ast.FormattedValue) and one.format_spec else ""
            behind = [str(other.value) for other in node.values[at:] if isinstance(other, ast.Constant)]
            if "%H:%M" in spec and not spec.endswith(("Z", "%z")) and not any(_ZONE.search(each) for each in behind):
                yield spec


@pytest.mark.parametrize("folder", ["include", "plugins", "dags"])
def test_every_time_of_the_day_is_written_with_its_zone(folder: str) -> None:
    sources = {path.relative_to(REPOSITORY).as_posix(): path for path in (REPOSITORY / folder).rglob("*.py")}
    bare = [f"{name}: {spec}" for name, path in sources.items() for spec in times_without_zone(path.read_text("utf-8"))]
    assert sorted({*bare} - HEADED) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{a:%H:%M}", ["%H:%M"]),
        ("UTC {a:%Y-%m-%d %H:%M} or so", ["%Y-%m-%d %H:%M"]),
        ("{a:%H:%M} UTC", []),
        ("{a:%H:%M} to {b:%H:%M} UTC", []),
        ("{a:%H:%M} UTC to {b:%H:%M}", ["%H:%M"]),
        ("{a:%H:%M}Z", []),
        ("{a:%H:%MZ}", []),
        ("{a:%Y-%m-%d}", []),
    ],
)
def test_time_without_a_zone_is_found(text: str, found: list[str]) -> None:
    assert list(times_without_zone(f"f'{text}'")) == found
