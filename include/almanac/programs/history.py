"""What a program writes down of its epochs, read while it runs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almanac.display import show
from almanac.errors import ConfigError
from almanac.programs.contract import HISTORY, MAX_HISTORY_BYTES

_NUMBERS = ("loss", "validation_loss", "learning_rate")


@dataclass(frozen=True)
class EpochLine:
    """One line.

    Attributes:
        loss: on the training rows.
        validation_loss: on those that the program holds back; NaN: it says nothing.
        learning_rate: None: it says nothing.
        figures: every number of the line by its name, those above among them.
    """

    loss: float
    validation_loss: float = math.nan
    learning_rate: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass
class HistoryFile:
    """The lines of `history.jsonl` so far.

    Args:
        folder: of the program.
        where: names the program in messages.
    """

    folder: Path
    where: str
    lines: list[EpochLine] = field(default_factory=list, init=False)
    _read_bytes: int = field(default=0, init=False)

    def read_on(self, *, to_the_end: bool = False) -> bool:
        """Read the lines that are new; whether there were any.

        Args:
            to_the_end: also a last line without an end of line: the program writes no more.

        Raises:
            ConfigError: a line is not what the contract says.
        """
        path = self.folder / HISTORY
        if path.is_symlink() or not path.is_file():  # refused with the other files when the program has ended
            return False
        if path.stat().st_size > MAX_HISTORY_BYTES:
            raise ConfigError(f"{self.where}: {HISTORY} is larger than {MAX_HISTORY_BYTES} bytes. Write less")
        with path.open("rb") as file:
            file.seek(self._read_bytes)
            new = file.read()
        whole = new if to_the_end else new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        lines = (line for line in whole.splitlines() if line.strip())
        where = f"{self.where}: {HISTORY}"
        found = [parse_line(line, number, where) for number, line in enumerate(lines, len(self.lines) + 1)]
        self.lines += found
        return bool(found)


def parse_line(line: bytes, number: int, where: str) -> EpochLine:
    """Read a line.

    Args:
        line: its bytes.
        number: from 1, for messages.
        where: names the file in messages.

    Raises:
        ConfigError: it is not what the contract says.
    """
    where = f"{where}: line {number}"
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: no JSON: {show(line[:200].decode('utf-8', 'replace'))}") from error
    numbers = found if isinstance(found, dict) else {}
    numbers = {name: one for name, one in numbers.items() if isinstance(one, int | float) and not isinstance(one, bool)}
    given = {name for name in _NUMBERS if isinstance(found, dict) and found.get(name) is not None}
    if "loss" not in numbers or not given <= numbers.keys():
        raise ConfigError(
            f'{where}: got {show(found)}, expected numbers by name, "loss" among them:'
            ' {"epoch": 1, "loss": 0.69, "validation_loss": 0.7}'
        )
    try:
        figures = {name: float(one) for name, one in numbers.items()}
    except OverflowError as error:
        raise ConfigError(f"{where}: a number is larger than a float holds. Write Infinity, or less") from error
    return EpochLine(**{name: figures[name] for name in given}, figures=figures)
