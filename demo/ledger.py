"""What the demo expected and what it saw: one row a claim, as a table for people and a file for programs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One claim of the story and its proof."""

    step: int
    claim: str
    expected: str
    seen: str
    passed: bool
    seconds: float


@dataclass
class Ledger:
    """Collects rows; `seconds` of a row count from the row before."""

    report: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def check(self, step: int, claim: str, *, expected: object, seen: object, passed: bool | None = None) -> None:
        """Write a row down; without `passed`, what was seen must equal what was expected."""
        now = time.monotonic()
        row = Row(
            step=step,
            claim=claim,
            expected=str(expected),
            seen=str(seen),
            passed=bool(seen == expected if passed is None else passed),
            seconds=round(now - self._since, 1),
        )
        self._since = now
        self.rows.append(row)
        mark = "pass" if row.passed else "FAIL"
        self.report(f"    {mark}  {claim}: {row.seen}" + ("" if row.passed else f"  (expected {row.expected})"))

    @property
    def passed(self) -> bool:
        """Whether there are rows, and all of them passed."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    def table(self) -> str:
        """The rows as text, a column each for step, claim, expected, seen, seconds and result."""
        head = ("step", "claim", "expected", "seen", "s", "")
        body = [
            (str(r.step), r.claim, r.expected, r.seen, f"{r.seconds:.1f}", "pass" if r.passed else "FAIL")
            for r in self.rows
        ]
        widths = [min(48, max(len(line[i]) for line in [head, *body])) for i in range(len(head))]
        lines = [
            "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in [head, tuple("-" * width for width in widths), *body]
        ]
        return "\n".join(line.rstrip() for line in lines)

    def write(self, path: Path, *, total_seconds: float, figures: dict[str, object]) -> None:
        """Write the same as JSON, with the figures that the story measured."""
        summary = {
            "passed": self.passed,
            "seconds": round(total_seconds, 1),
            "rows": [asdict(row) for row in self.rows],
            "figures": figures,
        }
        path.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
