"""How the threshold is declared from which on a probability counts as a yes."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Best = Literal["f1", "f1_macro", "balanced_accuracy"]
Floor = Literal["recall", "precision"]
_FLOOR = re.compile(r"^(recall|precision)\s*>=\s*(0?\.\d+|1(?:\.0*)?)$")
NO_THRESHOLD = 0.5  # where none is declared
_FORMS = "a number between 0 and 1, 'best f1' (f1_macro, balanced_accuracy), 'recall >= 0.8' (precision)"


@dataclass(frozen=True)
class ThresholdRule:
    """One of: a `fixed` number; the one with the `best` figure; the one that just keeps `floor` at `least`."""

    fixed: float | None = None
    best: Best | None = None
    floor: Floor | None = None
    least: float = 0.0


def parse_threshold(declared: object) -> ThresholdRule:
    """Read `0.5`, `best f1` or `recall >= 0.8`.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(declared, int | float) and not isinstance(declared, bool) and 0 < declared < 1:
        return ThresholdRule(fixed=float(declared))
    words = str(declared).strip()
    for best in get_args(Best):
        if words == f"best {best}":
            return ThresholdRule(best=best)
    match = _FLOOR.match(words)
    if match is None:
        raise ValueError(f"not a threshold; got {declared!r}, expected {_FORMS}")
    return ThresholdRule(floor="recall" if match[1] == "recall" else "precision", least=float(match[2]))
