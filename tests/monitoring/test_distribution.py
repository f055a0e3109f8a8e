import numpy as np
import pytest
from scipy import stats

from include.monitoring import measures
from include.monitoring.distribution import Mixture, summarise

RNG = np.random.default_rng(3)
N = 20_000
COLUMNS = {
    "normal": RNG.normal(size=N),
    "heavy tails": RNG.standard_t(1.5, size=N),
    "zero-inflated": np.where(RNG.random(N) < 0.7, 0.0, RNG.exponential(2, N)),
    "constant": np.full(N, 3.5),
    "binary": (RNG.random(N) < 0.02).astype(float),
    "rounded": np.round(RNG.normal(10, 3, N), 1),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_summary_with_knots_agrees_with_all_values_to_three_digits(name: str) -> None:
    values = COLUMNS[name]
    window = RNG.permutation(values)[:3000] * 1.1 + 0.05
    short = Mixture((summarise(values, nulls=0, knots=400),), (1.0,))
    now = Mixture((summarise(window, nulls=0),), (1.0,))
    assert len(short.samples[0].x) < 450
    assert measures.kolmogorov_smirnov(short, now) == pytest.approx(stats.ks_2samp(values, window).statistic, abs=2e-3)
    low, high = np.quantile(values, (0.005, 0.995))
    expected = stats.wasserstein_distance(values.clip(low, high), window.clip(low, high))
    assert measures.wasserstein(short, now) == pytest.approx(expected, rel=5e-3, abs=2e-3 * max(values.std(), 1e-9))


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
