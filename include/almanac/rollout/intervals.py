"""Between which values the truth lies, by the tests that the guards use: an end is the last value that is not refuted.

An interval is always valid: it may be looked at after every request. Its lower end is the limit below which the guard
would fall back on these figures, as far as the champion beside it does not excuse them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from almanac.config.sections.rollout import Rollout
from almanac.rollout.guards import LIMITED, needed_evidence
from almanac.statistics.always_valid import evidence_above, evidence_mean_above

_HALVINGS = 40
_EDGE = 1e-9


@dataclass(frozen=True)
class GuardInterval:
    """What one guard knew at one look.

    Attributes:
        guard: its key in the YAML.
        observed: what was observed of the challenger; of `outcome`: by how much its mean is above the champion's.
        limit: as declared then.
        rows: that it rests on.
        champion: what was observed of the champion; None: it is not compared with it.
        lower, upper: the interval; None: too little was kept to say.
    """

    guard: str
    observed: float
    limit: float
    rows: int
    champion: float | None
    lower: float | None
    upper: float | None


def intervals_of(figures: Mapping[str, float], rollout: Rollout) -> tuple[GuardInterval, ...]:
    """The intervals of a look at the guards.

    Args:
        figures: of its findings, as a transition keeps them: `errors.observed`, ...
        rollout: declares how many guards and steps share the chance to err.
    """
    needed = needed_evidence(rollout)
    return tuple(_interval(guard, figures, needed) for guard in LIMITED if f"{guard}.observed" in figures)


def _interval(guard: str, figures: Mapping[str, float], needed: float) -> GuardInterval:
    observed, limit = figures[f"{guard}.observed"], figures.get(f"{guard}.limit", math.nan)
    rows = int(figures.get(f"{guard}.rows", 0))
    lower: float | None = None
    upper: float | None = None
    if guard != "outcome":
        lower, upper = share_between(round(observed * rows), rows, needed)
    elif (variance := figures.get("outcome.variance", 0.0)) > 0:
        lower, upper = mean_between(observed, variance, limit, needed)
    return GuardInterval(guard, observed, limit, rows, figures.get(f"{guard}.champion"), lower, upper)


def share_between(count: int, total: int, needed: float) -> tuple[float, float]:
    """The interval of a share.

    Args:
        count: how often it happened.
        total: of how many.
        needed: log of the evidence that refutes a value.
    """
    if not total:
        return 0.0, 1.0
    share = count / total
    lower = _last_not_refuted(share, 0.0, lambda at: evidence_above(count, total, at) >= needed)
    upper = _last_not_refuted(share, 1.0, lambda at: evidence_above(total - count, total, 1 - at) >= needed)
    return lower, upper


def mean_between(difference: float, variance: float, scale: float, needed: float) -> tuple[float, float]:
    """The interval of a difference of means; `variance` is that of the difference."""
    half = _last_not_refuted(
        0.0, 2.0, lambda beyond: evidence_mean_above(beyond, variance, 0.0, scale) >= needed
    )  # by symmetry
    return difference - half, difference + half


def _last_not_refuted(inside: float, outside: float, is_refuted: Callable[[float], bool]) -> float:
    """Between a value that is not refuted and the edge of what is possible."""
    if inside == outside:
        return outside
    edge = outside + math.copysign(_EDGE, inside - outside)
    if not is_refuted(edge):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + edge) / 2
        inside, edge = (inside, middle) if is_refuted(middle) else (middle, edge)
    return inside
