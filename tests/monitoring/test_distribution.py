import numpy as np
import pytest

from include.monitoring.distribution import Mixture, Observed, summarise

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
