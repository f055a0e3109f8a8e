"""What the command line prints: nothing that a terminal obeys but colors, whatever names and answers hold."""

import json
import re
import sys
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, TextIO

import typer

from almanac.display import clean

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of every command that only reads."""

_COLOR = re.compile(r"(\x1b\[[0-9;]*m)")


def print_json(value: Any) -> None:
    """Print dataclasses, models of pydantic, lists and mappings of them for programs; times and the like as texts."""
    print(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def _plain(value: object) -> object:
    if dump := getattr(value, "model_dump", None):
        return dump(mode="json")
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


class CleanStream:
    """A text stream that makes control characters visible.

    Args:
        stream: where the text goes; everything but `write` is its own.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; give the number of characters that were asked for."""
        parts = _COLOR.split(text)  # every second part is a color, which Typer's help uses
        self._stream.write("".join(part if number % 2 else clean(part) for number, part in enumerate(parts)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts one after another."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def clean_standard_streams() -> None:
    """From here on this process prints cleaned texts only."""
    sys.stdout = CleanStream(sys.stdout)
    sys.stderr = CleanStream(sys.stderr)
