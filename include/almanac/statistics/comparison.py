"""One column then and now: every figure and every test, from a profile or from rows. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.statistics import measures

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.statistics.distribution import Distribution

    Floats = NDArray[np.float64]

DISTRIBUTION, NULLS = "distribution", "nulls"  # the two tests
_MIN_EXPECTED = 5.0  # a category that was expected this often and is absent counts as missing
_MAX_NAMED = 5
_MIN_OUTSIDE = 0.01
_TOLERANCE = 0.1  # standard deviations that a value may stand from where it stood


@dataclass(frozen=True)
class Comparison:
    """What two sides of a column show.

    Attributes:
        figures: name of the measure -> its value.
        p_values: name of the test -> its p-value before correction.
        notes: what a person wants to know beside the figures, in words.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    p_values: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def compare_numbers(reference: "Distribution", window: "Distribution", *, effect: float = 1.0) -> Comparison:
    """Compare numbers; neither side is empty.

    Args:
        reference: then.
        window: now.
        effect: what sizes are divided by before a test; 1 where rows are independent.
    """
    p, q = measures.binned(reference, window)
    n, m = reference.n / effect, window.n / effect
    curves = measures.Curves.of(reference, window)
    distance, moved = measures.kolmogorov_smirnov(curves), measures.wasserstein(curves)
    outside = 1.0 - _inside(reference, window)
    chi_squared, chi_squared_p = measures.homogeneity(p, q, n=n, m=m)
    # a constant reference has no deviation to measure in: any move from it is as far as can be
    scaled = min(moved / reference.spread, measures.FAR) if reference.spread > 0 else measures.FAR * (moved > 0)
    figures = {
        "ks": distance,
        "ks_displaced": measures.displaced(reference, window, _TOLERANCE * reference.spread),
        "wasserstein_sd": scaled,
        **_of_shares(p, q),
        "chi_squared": chi_squared,
        "chi_squared_p": chi_squared_p,
        "z": measures.mean_z(reference, window, n=n, m=m),
        "mean": window.mean,
        "reference_mean": reference.mean,
        "outside_range": outside,
        "design_effect": effect,
    }
    return Comparison(
        figures,
        {DISTRIBUTION: measures.kolmogorov_smirnov_p(distance, n, m)},
        _number_notes(reference, window, outside),
    )


def compare_shares(
    categories: Sequence[str],
    reference: "Floats",
    window: Mapping[str, int],
    *,
    n: float,
    effect: float = 1.0,
) -> Comparison:
    """Compare texts.

    Args:
        categories: k names.
        reference: their shares then, and last that of all others, [k + 1].
        window: text -> how often it is there now, at least once.
        n: (effective) number of values then.
        effect: what sizes are divided by before a test.
    """
    import numpy as np

    known = set(categories)
    counts = np.asarray([window.get(category, 0) for category in categories], dtype=float)
    m = float(sum(window.values()))
    now = np.append(counts, m - counts.sum()) / m
    new = {name: count for name, count in window.items() if name not in known}
    absent = [
        category
        for category, p, count in zip(categories, reference, counts, strict=False)
        if not count and p * m / effect >= _MIN_EXPECTED
    ]
    chi_squared, p_value = measures.homogeneity(reference, now, n=n / effect, m=m / effect)
    figures = {
        **_of_shares(reference, now),
        "chi_squared": chi_squared,
        "new_share": float(now[-1]) if reference[-1] == 0 else 0.0,
        "new_categories": float(len(new)) if reference[-1] == 0 else 0.0,
        "vanished_categories": float(len(absent)),
        "design_effect": effect,
    }
    tested = np.count_nonzero(reference + now) > 1  # one category then and now: nothing to test
    notes = _text_notes(new if reference[-1] == 0 else {}, absent, m)
    return Comparison(figures, {DISTRIBUTION: p_value} if tested else {}, notes)


def compare_nulls(before: float, now: float, *, n: float, m: float, effect: float = 1.0) -> Comparison:
    """Two-proportion test on the shares of nulls; no test when there were none then and now.

    Args:
        before: share then.
        now: share now.
        n: (effective) rows then.
        m: rows now.
        effect: what sizes are divided by before a test.
    """
    figures = {"nulls": now, "reference_nulls": before, "null_change": abs(now - before)}
    if before == now == 0:
        return Comparison(figures)
    z, p_value = measures.proportions(before, now, n=n / effect, m=m / effect)
    return Comparison({**figures, "null_z": z}, {NULLS: p_value})


def count_texts(series: "pl.Series") -> dict[str, int]:
    """Text -> how often it is there; nulls are left out."""
    return dict(series.drop_nulls().value_counts().iter_rows())


def _of_shares(p: "Floats", q: "Floats") -> dict[str, float]:
    return {
        "total_variation": measures.total_variation(p, q),
        "psi": measures.population_stability(p, q),
        "jensen_shannon": measures.jensen_shannon(p, q),
        "hellinger": measures.hellinger(p, q),
        "kullback_leibler": measures.kullback_leibler(p, q),
    }


def _inside(reference: "Distribution", window: "Distribution") -> float:
    import numpy as np

    low, high = reference.reach
    left, _ = window.cdf(np.asarray([low]))
    _, right = window.cdf(np.asarray([high]))
    return float(right[0] - left[0])


def _number_notes(reference: "Distribution", window: "Distribution", outside: float) -> tuple[str, ...]:
    notes = []
    (low, high), (least, most) = reference.reach, window.reach
    if least == most and low < high:
        notes.append(f"constant at {least:g}")
    if outside >= _MIN_OUTSIDE:
        notes.append(f"{outside:.1%} outside the reference's range {low:g} to {high:g}")
    return tuple(notes)


def _text_notes(new: Mapping[str, int], absent: Sequence[str], total: float) -> tuple[str, ...]:
    notes = []
    if new:
        named = sorted(new.items(), key=lambda item: (-item[1], item[0]))[:_MAX_NAMED]
        notes.append("new: " + ", ".join(f"{name!r} ({count / total:.1%})" for name, count in named))
    if absent:
        notes.append("vanished: " + ", ".join(map(repr, absent[:_MAX_NAMED])))
    return tuple(notes)
