"""One trial of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from almanac.config.sections.search import Scalar


@dataclass(frozen=True)
class Trial:
    """One candidate with some parameters, measured on the folds before the hold-out.

    Attributes:
        candidate: its name.
        found: the parameters that were tried; they replace declared ones.
        score: `train.metric`; None: it could not be fitted.
        seconds: duration.
        share: share of each fold's training rows, the newest.
        fault: why it could not be fitted.
    """

    candidate: str
    found: Mapping[str, Scalar]
    score: float | None
    seconds: float
    share: float = 1.0
    fault: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {**asdict(self), "found": dict(self.found)}
