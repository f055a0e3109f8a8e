"""What a program prints, passed on line by line until there is too much of it."""

from collections.abc import Callable
from dataclasses import dataclass

from almanac.display import clean

MAX_LOG_BYTES = 200_000  # of one call, into the task's log
_TAIL_BYTES, _TAIL_LINES, _TAIL_CHARACTERS = 2_000, 3, 300


@dataclass
class BoundedLog:
    """Passes lines on until there are too many, and remembers the last ones.

    Attributes:
        report: takes a line.
        passed: bytes that were passed on.
        total: bytes in all.
        tail_bytes: the last ones.
    """

    report: Callable[[str], None]
    passed: int = 0
    total: int = 0
    tail_bytes: bytes = b""
    _begun: bytes = b""

    def add(self, content: bytes) -> None:
        """Take what was read of the output; a line may come in parts."""
        self.total += len(content)
        self.tail_bytes = (self.tail_bytes + content)[-_TAIL_BYTES:]
        if self.passed >= MAX_LOG_BYTES:
            return
        *lines, self._begun = (self._begun + content).split(b"\n")
        for line in [*lines, *([self._begun] if len(self._begun) > _TAIL_BYTES else [])]:
            self._pass(line)
        if len(self._begun) > _TAIL_BYTES:
            self._begun = b""

    def close(self) -> None:
        """Pass on an unfinished line; say how much there was, where not all was passed on."""
        if self.passed < MAX_LOG_BYTES and self._begun:
            self._pass(self._begun)
        if self.passed >= MAX_LOG_BYTES:
            self.report(f"{self.total:,} bytes of output in all; the last of them: {self.tail}")

    @property
    def tail(self) -> str:
        """The last lines: of a Python program its error stands there."""
        lines = self.tail_bytes.decode("utf-8", "replace").strip().splitlines()[-_TAIL_LINES:]
        return clean(" | ".join(line.strip() for line in lines)[-_TAIL_CHARACTERS:])

    def _pass(self, line: bytes) -> None:
        if self.passed < MAX_LOG_BYTES:
            self.passed += len(line) + 1
            self.report(line[:_TAIL_BYTES].decode("utf-8", "replace").rstrip())
