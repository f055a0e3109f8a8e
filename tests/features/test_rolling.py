"""Rolling figures of any finite float64, against exact arithmetic."""

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from almanac.features.rolling import _figures

HOUR = 3_600_000_000
ANY = st.floats(allow_nan=False, allow_infinity=False)
LEVEL = st.tuples(ANY.filter(lambda x: abs(x) < 1e300), st.lists(st.floats(-5, 5), min_size=2, max_size=12)).map(
    lambda pair: [pair[0] + each for each in pair[1]]
)
SERIES = st.one_of(st.lists(ANY, min_size=1, max_size=12), LEVEL)


def exact(window: list[float]) -> tuple[Fraction, Fraction]:
    """Mean and variance."""
    numbers = [Fraction(each) for each in window]
    mean = sum(numbers, Fraction()) / len(numbers)
    return mean, sum(((each - mean) ** 2 for each in numbers), Fraction()) / len(numbers)


def root(value: Fraction) -> float:
    """The square root to more than 60 bits."""
    shift = 120 - (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return float(Fraction(isqrt(int(value * Fraction(4) ** shift))) / Fraction(2) ** shift)


def figures(values: list[float], take: str, over: int) -> np.ndarray:
    times = np.arange(len(values), dtype=np.int64) * HOUR
    return _figures(times, np.asarray(values), over * HOUR, take)


@settings(deadline=None)
@given(SERIES, st.integers(1, 12))
@example([1e9 + 0.95 * (-1) ** k for k in range(12)], 6)
@example([1e308, 1.7e308, -1.7e308], 3)
@example([1e-200, 2e-200, 4e-200], 3)
@example([5e-324, 0.0], 2)
@example([0.0, 0.0, 0.0], 2)
@example([1e16, 1.0, -1e16], 3)
def test_rolling_mean_and_std_of_any_numbers_are_those_of_exact_arithmetic(values: list[float], over: int) -> None:
    means, deviations = figures(values, "mean", over), figures(values, "std", over)
    for row in range(len(values)):
        window = values[max(0, row + 1 - over) : row + 1]
        mean, variance = exact(window)
        largest = max(abs(each) for each in window)
        assert means[row] == pytest.approx(float(mean), rel=1e-12, abs=largest * 1e-14)
        # a value has 53 bits: its own rounding is all that may be seen
        assert deviations[row] == pytest.approx(root(variance), rel=1e-9, abs=max(largest * 2e-16, 5e-324))


@settings(deadline=None)
@given(st.lists(st.one_of(ANY, st.just(float("nan")), st.just(float("inf"))), min_size=1, max_size=12))
def test_rolling_figures_of_unknown_values_are_those_without_them(values: list[float]) -> None:
    known = [each for each in values if np.isfinite(each)]
    for take in ("mean", "std"):
        got = figures(values, take, len(values))[-1]
        if known:  # the sum of as many numbers may be taken in another order
            largest = max(abs(each) for each in known)
            assert got == pytest.approx(figures(known, take, len(known))[-1], rel=1e-12, abs=largest * 1e-14)
        else:
            assert np.isnan(got)


def test_rolling_std_of_a_constant_is_zero() -> None:
    assert figures([0.1] * 5, "std", 3).tolist() == [0.0] * 5


def test_rolling_std_is_the_same_in_whatever_portions_the_windows_are_summed(monkeypatch) -> None:
    values = (1e9 + np.random.default_rng(4).normal(0, 0.95, 60)).tolist()
    whole = figures(values, "std", 7)
    for at_once in (1, 10, 50):
        monkeypatch.setattr("almanac.features.rolling._VALUES_AT_ONCE", at_once)
        assert figures(values, "std", 7).tolist() == whole.tolist()


def test_rolling_std_of_a_window_is_the_same_wherever_the_frame_begins() -> None:
    values = (1e9 + np.random.default_rng(3).normal(0, 0.95, 500)).tolist()
    whole, alone = figures(values, "std", 100), figures(values[300:], "std", 100)
    assert whole[-1] == alone[-1]
