"""Notices the checkpoints that a program saves, and keeps the log of its losses beside them, for all tries of a fit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from almanac.programs.history import EpochLine, parse_line


@dataclass
class LossLog:
    """The epochs of a fit over all its tries and restarts: a file that its program cannot reach.

    Args:
        path: of the file; its folder exists.
    """

    path: Path

    def read(self) -> tuple[EpochLine, ...]:
        """The epochs so far; a line that a killed try left unfinished is none."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        whole = text[: text.rfind(b"\n") + 1].splitlines()
        return tuple(parse_line(line, number, str(self.path)) for number, line in enumerate(whole, 1))

    def append(self, lines: Sequence[EpochLine]) -> None:
        """Write more epochs down."""
        with self.path.open("ab") as file:
            file.write(b"".join(json.dumps(dict(one.figures)).encode() + b"\n" for one in lines))

    def clear(self) -> None:
        """Begin again: no checkpoint of an earlier try is there to go on from."""
        self.path.unlink(missing_ok=True)


@dataclass
class SavedFiles:
    """What a program has saved so far in this call.

    Args:
        folders: where it saves.
        log: takes the epochs; None: nobody keeps them.
        saved: called with the newest name after there are new files, and at the end where epochs came after the last.
    """

    folders: Sequence[Path]
    log: LossLog | None
    saved: Callable[[str], None]
    names: set[str] = field(init=False)
    logged: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.names = self._found()

    def look(self, lines: Sequence[EpochLine], *, is_end: bool = False) -> None:
        """Log the epochs, and tell what is new.

        Args:
            lines: all epochs of this call so far.
            is_end: the program has ended.
        """
        new, more = self._found() - self.names, lines[self.logged :]
        if not new and not (is_end and more):
            return
        self.names |= new
        self.logged = len(lines)
        if self.log is not None:
            self.log.append(more)
        if self.names:
            self.saved(max(new or self.names))

    def _found(self) -> set[str]:
        names = (path.name for folder in self.folders for path in folder.iterdir())
        return {name for name in names if not name.startswith(".") and not name.endswith(".part")}
