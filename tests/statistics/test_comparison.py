"""From a stored profile, all figures are what they are from the rows; and what scipy says they are."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from almanac.monitoring.checks.drift import reference_of
from almanac.statistics.comparison import compare_nulls, compare_numbers, compare_shares, count_texts
from almanac.statistics.distribution import Mixture, Observed, summarise
from almanac.statistics.profile import NumberProfile, ReferenceProfile, TextProfile
from almanac.statistics.profiling import build_profile
from tests.monitoring.world import WEATHER, changed

RNG = np.random.default_rng(3)
N, M = 40_000, 10_000
CATEGORIES = [f"c{number:02}" for number in range(60)]
WEIGHTS = 1 / np.arange(2, 62)


def column(name: str, n: int, shift: float) -> np.ndarray:
    match name:
        case "normal":
            return RNG.normal(shift, 1, n)
        case "heavy-tailed":
            return RNG.standard_t(2, n) * (1 + shift)
        case "zero-inflated":
            return np.where(RNG.random(n) < 0.6 - shift / 2, 0.0, RNG.gamma(2, 3, n))
        case "constant":
            return np.full(n, 5.0)
        case "binary":
            return (RNG.random(n) < 0.3 + shift / 3).astype(float)
        case _:
            return np.round(RNG.normal(shift, 1, n), 1)


NUMBERS = ("normal", "heavy-tailed", "zero-inflated", "constant", "binary", "rounded")


@pytest.fixture(scope="module", name="sides")
def _sides() -> tuple[pl.DataFrame, pl.DataFrame]:
    weights = WEIGHTS / WEIGHTS.sum()
    later = np.roll(weights, 1) * 0.2 + weights * 0.8
    frames = []
    for n, shift, chances in ((N, 0.0, weights), (M, 0.25, later)):
        numbers = {name: column(name, n, shift) for name in NUMBERS}
        frames.append(pl.DataFrame({**numbers, "sixty categories": RNG.choice(CATEGORIES, n, p=chances)}))
    return frames[0], frames[1]


@pytest.fixture(scope="module", name="stored")
def _stored(sides: tuple[pl.DataFrame, pl.DataFrame]) -> ReferenceProfile:
    """A profile of those columns that was written and read again."""
    frame = sides[0].rename(lambda name: name.replace(" ", "_").replace("-", "_"))
    declared = {"Timestamp": {"type": "timestamp"}, "Weather_conditions": {"type": "string"}} | {
        name: {"type": "string" if name == "sixty_categories" else "float"} for name in frame.columns
    }
    base = changed(WEATHER, "monitor.drift", season="none")
    model = base.model_copy(
        update={
            "dataset": changed(base, "dataset", columns={**base.model_dump()["dataset"]["columns"], **declared}).dataset
        }
    )
    times = pl.datetime_range(
        pl.datetime(2020, 1, 1, time_zone="UTC"), pl.datetime(2030, 1, 1, time_zone="UTC"), "1h", eager=True
    )
    frame = frame.with_columns(Timestamp=times.head(N))
    unknown = np.full(N, np.nan)
    return ReferenceProfile.from_json(build_profile(model, frame, probabilities=unknown, labels=unknown).to_json())


@pytest.mark.parametrize("name", NUMBERS)
def test_compare_numbers_from_the_profile_agrees_with_the_rows_to_three_digits(
    name: str, sides: tuple[pl.DataFrame, pl.DataFrame], stored: ReferenceProfile
) -> None:
    reference, window = (frame[name].to_numpy() for frame in sides)
    profile = stored.column(name.replace("-", "_"))
    assert isinstance(profile, NumberProfile)
    mixture = reference_of(profile, {"year": 1.0})
    assert mixture is not None
    assert len(mixture.samples[0].x) < 500
    short = compare_numbers(mixture, Observed.of(window)).figures
    full = compare_numbers(Observed.of(reference), Observed.of(window)).figures
    of_shares = ("total_variation", "psi", "jensen_shannon", "hellinger", "kullback_leibler")
    for figure in ("ks", "ks_displaced", "wasserstein_sd", *of_shares):
        assert short[figure] == pytest.approx(full[figure], abs=1e-3), figure
    assert short["chi_squared"] == pytest.approx(full["chi_squared"], rel=1e-3, abs=0.05)
    assert short["z"] == pytest.approx(full["z"], rel=1e-6)
    assert short["ks"] == pytest.approx(stats.ks_2samp(reference, window).statistic, abs=1e-3)
    low, high = np.quantile(reference, (0.005, 0.995))
    expected = stats.wasserstein_distance(reference.clip(low, high), window.clip(low, high))
    assert short["wasserstein_sd"] == pytest.approx(expected / (reference.clip(low, high).std() or 1.0), abs=1e-3)


def test_compare_shares_of_sixty_categories_from_the_profile_equals_scipy(
    sides: tuple[pl.DataFrame, pl.DataFrame], stored: ReferenceProfile
) -> None:
    reference, window = (count_texts(frame["sixty categories"]) for frame in sides)
    profile = stored.column("sixty_categories")
    assert isinstance(profile, TextProfile)
    sample = profile.parts["year"]
    shares = np.append(np.asarray(sample.counts) / sample.n, sample.other / sample.n)
    found = compare_shares(profile.categories, shares, window, n=sample.n)
    table = np.array([[reference[name], window[name]] for name in CATEGORIES])
    p, q = table[:, 0] / N, table[:, 1] / M
    expected = stats.chi2_contingency(table, correction=False)
    assert found.figures["chi_squared"] == pytest.approx(expected.statistic, rel=1e-6)
    assert found.p_values["distribution"] == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.figures["total_variation"] == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-6)
    assert found.figures["kullback_leibler"] == pytest.approx(stats.entropy(q, p), abs=1e-6)


def test_observed_large_sample_agrees_with_scipy_to_three_digits() -> None:
    """A million values are looked at in 2,048 places."""
    reference, window = RNG.gamma(2, 2, 300_000), RNG.gamma(2.1, 2, 200_000)
    found = compare_numbers(Observed.of(reference), Observed.of(window)).figures
    assert found["ks"] == pytest.approx(stats.ks_2samp(reference, window).statistic, abs=1e-3)
    low, high = np.quantile(reference, (0.005, 0.995))
    expected = stats.wasserstein_distance(reference.clip(low, high), window.clip(low, high))
    expected /= reference.clip(low, high).std()
    assert found["wasserstein_sd"] == pytest.approx(expected, abs=1e-3)


def test_observed_winsor_is_numpys_quantile() -> None:
    values = RNG.normal(size=777)
    assert Observed.of(values).winsor == pytest.approx(tuple(np.quantile(values, (0.005, 0.995))))


def test_observed_deciles_are_numpys_inverted_cdf() -> None:
    values = RNG.normal(size=777)
    expected = np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")
    assert Observed.of(values).deciles() == pytest.approx(expected)


def test_mixture_deciles_of_a_profile_are_those_of_the_rows() -> None:
    values = RNG.standard_t(2, 20_000)
    short = Mixture((replace(summarise(values, nulls=0, knots=64)),), (1.0,))
    assert short.deciles() == pytest.approx(Observed.of(values).deciles(), rel=1e-8)


def test_compare_numbers_outside_the_range_and_constant_are_reported() -> None:
    found = compare_numbers(Observed.of(RNG.random(1000)), Observed.of(np.full(600, 7.0)))
    assert found.figures["outside_range"] == 1.0
    assert found.notes[0] == "constant at 7"
    assert found.notes[1].startswith("100.0% outside the reference's range 0.0")


def test_compare_shares_new_and_missing_categories_are_named() -> None:
    shares = np.array([0.6, 0.38, 0.02, 0.0])
    found = compare_shares(["clear", "rain", "snow"], shares, {"clear": 500, "fog": 50, "hail": 50}, n=5000)
    assert found.notes == ("new: 'fog' (8.3%), 'hail' (8.3%)", "vanished: 'rain', 'snow'")
    assert (found.figures["new_categories"], found.figures["vanished_categories"]) == (2.0, 2.0)
    assert found.figures["new_share"] == pytest.approx(1 / 6)


def test_compare_shares_rare_category_that_is_not_there_has_not_missing() -> None:
    shares = np.array([0.997, 0.003, 0.0])
    assert compare_shares(["clear", "snow"], shares, {"clear": 600}, n=5000).notes == ()


def test_compare_shares_beside_others_nothing_is_called_new() -> None:
    """The profile kept the most frequent ones; what it does not name may have been among the others."""
    shares = np.array([0.6, 0.3, 0.1])
    found = compare_shares(["clear", "rain"], shares, {"clear": 500, "fog": 50}, n=5000)
    assert found.figures["new_categories"] == 0.0
    assert "new" not in " ".join(found.notes)


def test_compare_nulls_without_any_has_no_test() -> None:
    assert compare_nulls(0.0, 0.0, n=1000, m=1000).p_values == {}
