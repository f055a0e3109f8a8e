"""Every measure against scipy, from exact samples."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from almanac.statistics import measures
from almanac.statistics.distribution import Observed

RNG = np.random.default_rng(7)
PAIRS = {
    "shifted normal": (RNG.normal(size=2000), RNG.normal(0.3, 1.2, size=700)),
    "heavy tails": (RNG.standard_t(2, size=1500), RNG.standard_t(2, size=900) * 1.5),
    "zero-inflated": (
        np.where(RNG.random(1800) < 0.6, 0.0, RNG.gamma(2, 3, 1800)),
        np.where(RNG.random(800) < 0.4, 0.0, RNG.gamma(2, 3, 800)),
    ),
    "binary": ((RNG.random(1000) < 0.3).astype(float), (RNG.random(600) < 0.45).astype(float)),
    "few integers": (RNG.poisson(3, 1200).astype(float), RNG.poisson(4, 800).astype(float)),
    "constant then not": (np.full(600, 5.0), RNG.normal(5, 1, 600)),
    "apart": (RNG.normal(0, 1, 600), RNG.normal(50, 1, 600)),
}


@pytest.fixture(params=PAIRS, name="pair")
def _pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    return PAIRS[request.param]


def exact(values: np.ndarray) -> Observed:
    return Observed.of(values)


def test_kolmogorov_smirnov_equals_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert measures.kolmogorov_smirnov(measures.Curves.of(*map(exact, pair))) == pytest.approx(
        stats.ks_2samp(*pair).statistic, abs=1e-6
    )


def test_displaced_by_nothing_is_kolmogorov_smirnov(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sides = tuple(map(exact, pair))
    assert measures.displaced(*sides, 0.0) == pytest.approx(
        measures.kolmogorov_smirnov(measures.Curves.of(*sides)), abs=1e-12
    )


def test_displaced_by_a_hair_explains_a_default_that_moved_by_less() -> None:
    values = PAIRS["zero-inflated"][0]
    moved = exact(values + 0.02)
    assert measures.kolmogorov_smirnov(measures.Curves.of(exact(values), moved)) > 0.5
    assert measures.displaced(exact(values), moved, 0.03) == 0.0


def test_displaced_shift_leaves_the_rest_of_it() -> None:
    """A shift of 2 after a displacement of .5 looks as one of 1.5: 2 Phi(.75) - 1."""
    values = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    assert measures.displaced(exact(values), exact(values + 2.0), 0.5) == pytest.approx(0.5467, abs=1e-3)


def test_displaced_more_zeros_are_no_displacement() -> None:
    before, now = np.repeat([0.0, 50.0], [300, 700]), np.repeat([0.0, 50.0], [600, 400])
    assert measures.displaced(exact(before), exact(now), 1.0) == pytest.approx(0.3)


def test_kolmogorov_smirnov_p_is_near_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    expected = stats.ks_2samp(*pair, method="asymp")
    got = measures.kolmogorov_smirnov_p(expected.statistic, len(pair[0]), len(pair[1]))
    assert got == pytest.approx(expected.pvalue, rel=0.05, abs=1e-12)


def test_kolmogorov_smirnov_p_small_samples_is_near_exact() -> None:
    """Effective samples are small: the correction must hold there too."""
    exact_p = stats.ks_2samp(PAIRS["shifted normal"][0][:40], PAIRS["shifted normal"][1][:25], method="exact")
    assert measures.kolmogorov_smirnov_p(exact_p.statistic, 40, 25) == pytest.approx(exact_p.pvalue, abs=0.06)


def test_wasserstein_equals_scipy_on_clipped_values(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, window = pair
    low, high = np.quantile(reference, (0.005, 0.995))
    expected = stats.wasserstein_distance(reference.clip(low, high), window.clip(low, high))
    assert measures.wasserstein(measures.Curves.of(*map(exact, pair))) == pytest.approx(
        expected, rel=0.02, abs=2e-3 * reference.std()
    )


def test_jensen_shannon_equals_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    p, q = measures.binned(*map(exact, pair))
    assert measures.jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, base=2), abs=1e-9)


def test_binned_shares_equal_histogram() -> None:
    reference, window = PAIRS["shifted normal"]
    p, q = measures.binned(exact(reference), exact(window))
    borders = np.concatenate(
        [[-np.inf], np.quantile(reference, np.arange(1, 10) / 10, method="inverted_cdf"), [np.inf]]
    )
    assert p == pytest.approx(np.full(10, 0.1), abs=1e-6)
    assert q == pytest.approx(stats.binned_statistic(window, None, "count", bins=borders).statistic / 700, abs=2e-3)


def test_population_stability_known_answer() -> None:
    """Two bins, .5/.5 against .9/.1: .4 ln 1.8 - .4 ln .2 = .8789, as the definition gives by hand."""
    assert measures.population_stability(np.array([0.5, 0.5]), np.array([0.9, 0.1])) == pytest.approx(0.8789, abs=1e-4)


def test_population_stability_empty_bin_is_finite() -> None:
    assert np.isfinite(measures.population_stability(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_total_variation_is_one_for_disjoint_shares() -> None:
    assert measures.total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


SHARES = (np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.4, 0.3, 0.1, 0.2]))


def test_population_stability_is_the_sum_of_scipys_two_entropies() -> None:
    p, q = SHARES
    assert measures.population_stability(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))


def test_kullback_leibler_equals_scipy() -> None:
    p, q = SHARES
    assert measures.kullback_leibler(p, q) == pytest.approx(stats.entropy(q, p))


def test_kullback_leibler_category_that_was_not_there_is_finite() -> None:
    assert measures.kullback_leibler(np.array([1.0, 0.0]), np.array([0.9, 0.1])) == pytest.approx(
        0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 1e-4)
    )


def test_hellinger_equals_scipys_distance_of_roots() -> None:
    p, q = SHARES
    assert measures.hellinger(p, q) == pytest.approx(distance.euclidean(np.sqrt(p), np.sqrt(q)) / np.sqrt(2))


def test_hellinger_is_one_for_disjoint_shares() -> None:
    assert measures.hellinger(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_total_variation_equals_half_of_scipys_cityblock() -> None:
    assert measures.total_variation(*SHARES) == pytest.approx(distance.cityblock(*SHARES) / 2)


def test_homogeneity_equals_scipy() -> None:
    counts = np.array([[300, 150, 50], [120, 90, 40]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = stats.chi2_contingency(counts, correction=False)
    got = measures.homogeneity(shares[0], shares[1], n=500, m=250)
    assert got == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_homogeneity_pools_rare_categories() -> None:
    before, now = np.array([400, 97, 1, 1, 1]) / 500, np.array([195, 53, 1, 1, 0]) / 250
    expected = stats.chi2_contingency(np.array([[400, 97 + 3], [195, 53 + 2]]), correction=False)
    got = measures.homogeneity(before, now, n=500, m=250)
    assert got == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_homogeneity_one_category_reports_nothing() -> None:
    assert measures.homogeneity(np.array([1.0, 0.0]), np.array([1.0, 0.0]), n=500, m=500) == (0.0, 1.0)


def test_proportions_squared_z_equals_chi_squared() -> None:
    """The squared z of two proportions is the chi-squared of their 2 x 2 table."""
    counts = np.array([[30, 970], [45, 655]])
    expected = stats.chi2_contingency(counts, correction=False)
    z, p_value = measures.proportions(0.03, 45 / 700, n=1000, m=700)
    assert (z**2, p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert z > 0


def test_mean_z_equals_scipys_welch(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, window = pair
    expected = stats.ttest_ind_from_stats(
        window.mean(), window.std(), len(window), reference.mean(), reference.std(), len(reference), equal_var=False
    )
    got = measures.mean_z(exact(reference), exact(window), n=len(reference), m=len(window))
    assert got == pytest.approx(expected.statistic, rel=1e-9)


@pytest.mark.parametrize(("now", "z"), [(5.0, 0.0), (6.0, measures.FAR), (4.0, -measures.FAR)])
def test_mean_z_of_constants_is_nothing_or_far(now: float, z: float) -> None:
    assert measures.mean_z(exact(np.full(600, 5.0)), exact(np.full(600, now)), n=600, m=600) == z
