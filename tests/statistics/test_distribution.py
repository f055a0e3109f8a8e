import json
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from almanac.statistics.comparison import compare_numbers
from almanac.statistics.distribution import Mixture, Observed, moments, summarise

RNG = np.random.default_rng(3)


def test_mixture_equals_the_pooled_rows_it_stands_for() -> None:
    winter, spring = RNG.normal(0, 1, 3000), RNG.normal(8, 2, 1000)
    parts = Mixture((summarise(winter, nulls=0), summarise(spring, nulls=0)), (0.75, 0.25))
    pooled = np.concatenate([winter, spring])
    at = np.linspace(-3, 12, 50)
    left, right = parts.cdf(at)
    assert right == pytest.approx([(pooled <= x).mean() for x in at], abs=1e-3)
    assert left == pytest.approx([(pooled < x).mean() for x in at], abs=1e-3)
    assert parts.sd == pytest.approx(pooled.std(), rel=1e-9)
    assert parts.n == pytest.approx(4000)


def test_mixture_uneven_weights_have_fewer_effective_rows() -> None:
    sample = summarise(RNG.normal(size=1000), nulls=0)
    assert Mixture((sample, sample), (0.95, 0.05)).n == pytest.approx(1000 / (0.95**2 + 0.05**2))


def test_summarise_nothing_gives_zeros() -> None:
    empty = summarise(np.empty(0), nulls=4)
    assert (empty.n, empty.nulls, empty.x) == (0, 4, ())


def test_observed_cdf_counts_ties_below_and_at_each_point() -> None:
    observed = Observed.of(np.array([3.0, 1.0, 3.0, 3.0, 7.0, 7.0]))
    left, right = observed.cdf(np.array([0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 9.0]))
    assert (left * 6).round().tolist() == [0, 0, 1, 1, 4, 4, 6]
    assert (right * 6).round().tolist() == [0, 1, 1, 4, 4, 6, 6]


FINITE = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
NUMBERS = st.one_of(
    st.lists(FINITE, min_size=1, max_size=40),
    st.tuples(FINITE, st.integers(1, 60)).map(lambda pair: [pair[0], *np.linspace(-1, 1, pair[1])]),  # one wild value
)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.sampled_from([None, 8]))
@example([1.7e308, -1.7e308] * 20, [0.5], None)
@example([0.0] * 5, [1e300], None)
def test_any_finite_numbers_have_a_profile_and_a_comparison_that_json_can_say(then, now, knots) -> None:
    sample, window = summarise(np.asarray(then), nulls=0, knots=knots), Observed.of(np.asarray(now))
    assert json.dumps(asdict(sample), allow_nan=False)  # raises at a number that is none
    for reference in (
        Mixture((sample,), (1.0,)),
        Mixture((sample, summarise(RNG.normal(size=9), nulls=0)), (0.3, 0.7)),
    ):
        found = compare_numbers(reference, window)
        assert json.loads(json.dumps(dict(found.figures), allow_nan=False)).keys() == dict(found.figures).keys()


@settings(deadline=None)
@given(NUMBERS)
@example([1e9 + 0.5, 1e9 - 0.5])
@example([1.7e308, -1.7e308])
def test_moments_are_those_of_exact_arithmetic(values) -> None:
    numbers = [Fraction(each) for each in values]
    mean = sum(numbers, Fraction()) / len(numbers)
    largest = max(map(abs, values))
    scale = Fraction(largest) or Fraction(1)
    variance = sum((((each - mean) / scale) ** 2 for each in numbers), Fraction()) / len(numbers)
    found_mean, found_sd = moments(np.asarray(values))
    assert found_mean == pytest.approx(float(mean), rel=1e-12, abs=largest * 1e-14)
    assert found_sd == pytest.approx(float(variance) ** 0.5 * largest, rel=1e-9, abs=largest * 1e-15)


@pytest.mark.parametrize("wild", [1e300, -1e300, 1.7e308])
def test_one_wild_value_moves_neither_spread_nor_distance(wild: float) -> None:
    values = RNG.normal(size=1000)
    calm = Mixture((summarise(values, nulls=0, knots=50),), (1.0,))
    stormy = Mixture((summarise(np.append(values, wild), nulls=0, knots=50),), (1.0,))
    assert stormy.spread == pytest.approx(calm.spread, rel=0.05)
    assert compare_numbers(stormy, Observed.of(RNG.normal(size=1000))).figures["wasserstein_sd"] < 0.2
