"""Whether rows are worth enough to say that nothing has drifted: what could not be seen is not quiet."""

from dataclasses import dataclass

from almanac.config.sections.monitoring import Drift
from almanac.statistics.measures import MIN_TESTED, harmonic_size, smallest_significant

UNKNOWN_DEPENDENCE = "the dependence of its rows could not be measured, because the reference is too short"


@dataclass(frozen=True)
class Weight:
    """What a number of effective rows allows to be said of a column.

    Attributes:
        enough: that no distance was significant means something: the column may be called quiet.
        testable: the p-value holds; a significant distance is drift, whether `enough` or not.
        large: not `enough`, and significant if there were just enough.
        text: why it is not enough, in words with figures.
    """

    enough: bool
    testable: bool
    large: bool
    text: str


def weigh(distance: float, n: float, m: float, *, rows: int, limits: Drift) -> Weight:
    """Weigh the rows of a comparison.

    Args:
        distance: of the two sides, KS or total variation, in [0, 1].
        n: effective rows of the reference.
        m: effective rows of the window.
        rows: of the window, as they are counted.
        limits: declares how many effective rows are enough.
    """
    least = limits.min_effective_rows
    enough = min(n, m) >= least
    needed = smallest_significant(limits.false_discovery_rate, max(n, least), max(m, least))
    large = not enough and distance >= needed
    what = "large, cannot be tested" if large else "cannot be tested"
    text = (
        f"{what}: {m:.1f} effective rows (of {rows:,}) against {n:.1f} of the reference, at least {least:g} are needed"
    )
    return Weight(enough, harmonic_size(n, m) >= MIN_TESTED, large, text)


def smallest_seen(n: float, m: float, *, limits: Drift, tests: int) -> float:
    """The smallest distance of one column alone that would be drift in a window of so many tests, in [0, 1]."""
    significant = smallest_significant(limits.false_discovery_rate / max(tests, 1), n, m)
    return max(significant, limits.min_ks)
