"""What a program writes down of its epochs, read while it runs."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almanac.display import show
from almanac.errors import ConfigError
from almanac.programs.contract import HISTORY, MAX_HISTORY_BYTES

_NUMBERS = ("loss", "validation_loss", "learning_rate")


@dataclass(frozen=True)
class EpochLine:
    """One line: losses on the training rows and on those that the program holds back; NaN where it says nothing."""

    loss: float
    validation_loss: float = math.nan
    learning_rate: float | None = None


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
        found = [self._parse(line, number) for number, line in enumerate(whole.splitlines(), 1) if line.strip()]
        self.lines += found
        return bool(found)

    def _parse(self, line: bytes, number: int) -> EpochLine:
        where = f"{self.where}: {HISTORY}: line {len(self.lines) + number}"
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{where}: no JSON: {show(line[:200].decode('utf-8', 'replace'))}") from error
        wrong = not isinstance(found, dict) or "loss" not in found
        numbers = {} if wrong else {name: found[name] for name in _NUMBERS if found.get(name) is not None}
        if wrong or any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers.values()):
            raise ConfigError(
                f'{where}: got {show(found)}, expected numbers by name, "loss" among them:'
                ' {"epoch": 1, "loss": 0.69, "validation_loss": 0.7}'
            )
        return EpochLine(**{name: float(one) for name, one in numbers.items()})
