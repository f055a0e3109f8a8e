import numpy as np
import pytest

from include.monitoring.figures import figure
from include.monitoring.performance import Standing, evaluate
from include.monitoring.profile import Figure, Profile
from tests.monitoring.world import START, TRAINED_UNTIL, WEATHER, changed

MODEL = changed(WEATHER, "monitor.performance", metric="accuracy", max_loss=0.05, min_rows=300)
RNG = np.random.default_rng(4)
YEAR = {"year": 1.0}


def profile(**figures: Figure) -> Profile:
    return Profile("weather", START, TRAINED_UNTIL, 17520, "month", (), {}, figures)


JUDGED = profile(year=Figure("accuracy", 0.90, 0.01, 8640))


def said(accuracy: float, n: int = 720) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels that agree in exactly this share, the misses spread evenly."""
    truth = (RNG.random(n) < 0.4).astype(float)
    wrong = np.zeros(n, dtype=bool)
    wrong[np.linspace(0, n - 1, round(n * (1 - accuracy))).astype(int)] = True
    return np.where(wrong, 1 - truth, truth) * 0.8 + 0.1, truth


def test_evaluate_as_good_as_judged_is_holding() -> None:
    probabilities, labels = said(0.89)
    found = evaluate(MODEL, JUDGED, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is Standing.HOLDING
    assert found.value == pytest.approx(0.89, abs=0.002)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.89 < found.high
    assert found.reasons == ()


def test_evaluate_clear_loss_is_degraded_with_figures() -> None:
    probabilities, labels = said(0.75)
    found = evaluate(MODEL, JUDGED, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is Standing.DEGRADED
    assert found.reasons[0].startswith("accuracy 0.750 against 0.900 when judged: worse by 0.150, limit 0.05")


def test_evaluate_loss_that_chance_explains_is_holding() -> None:
    unsure = profile(year=Figure("accuracy", 0.90, 0.08, 300))
    probabilities, labels = said(0.80)
    found = evaluate(MODEL, unsure, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.loss == pytest.approx(0.1, abs=0.002)
    assert found.standing is Standing.HOLDING


def test_evaluate_significant_but_small_loss_is_holding() -> None:
    sure = profile(year=Figure("accuracy", 0.90, 0.0005, 10**6))
    probabilities, labels = said(0.87, n=20_000)
    found = evaluate(MODEL, sure, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is Standing.HOLDING


def test_evaluate_few_labels_are_insufficient_and_coverage_is_told() -> None:
    probabilities, labels = said(0.2)
    labels[250:] = np.nan
    found = evaluate(MODEL, JUDGED, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is Standing.INSUFFICIENT
    assert found.reasons == ("250 labelled predictions of 720, at least 300 are needed",)
    assert found.coverage == pytest.approx(250 / 720)


def test_evaluate_nothing_scored_is_insufficient() -> None:
    nothing = np.empty(0)
    found = evaluate(MODEL, JUDGED, probabilities=nothing, labels=nothing, weights=YEAR)
    assert (found.standing, found.coverage) == (Standing.INSUFFICIENT, 0.0)


def test_evaluate_one_class_where_the_metric_needs_two_is_insufficient() -> None:
    model = changed(MODEL, "monitor.performance", metric="f1_macro")
    found = evaluate(model, JUDGED, probabilities=np.full(400, 0.1), labels=np.zeros(400), weights=YEAR)
    assert found.standing is Standing.INSUFFICIENT
    assert "not defined" in found.reasons[0]


def test_evaluate_reference_of_another_metric_is_insufficient() -> None:
    probabilities, labels = said(0.9)
    other = profile(year=Figure("f1", 0.9, 0.01, 900))
    found = evaluate(MODEL, other, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.reasons == ("the reference profile holds no accuracy; train again",)


def test_evaluate_season_that_differs_is_its_own_reference() -> None:
    known = profile(year=Figure("accuracy", 0.75, 0.01, 8000), winter=Figure("accuracy", 0.65, 0.02, 2000))
    probabilities, labels = said(0.7)
    weights = {"01": 0.1, "02": 0.4, "03": 0.5}
    found = evaluate(MODEL, known, probabilities=probabilities, labels=labels, weights=weights)
    assert found.reference == pytest.approx(0.5 * 0.65 + 0.5 * 0.75)


def test_evaluate_season_that_differs_by_chance_is_compared_with_the_year() -> None:
    known = profile(year=Figure("accuracy", 0.75, 0.01, 8000), winter=Figure("accuracy", 0.80, 0.03, 700))
    probabilities, labels = said(0.7)
    found = evaluate(MODEL, known, probabilities=probabilities, labels=labels, weights={"02": 1.0})
    assert found.reference == 0.75


def test_evaluate_log_loss_grows_when_it_gets_worse() -> None:
    model = changed(MODEL, "monitor.performance", metric="log_loss", max_loss=0.1)
    probabilities, labels = said(0.6)
    judged = profile(year=Figure("log_loss", 0.3, 0.01, 8000))
    found = evaluate(model, judged, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is Standing.DEGRADED


def test_figure_error_of_independent_rows_is_binomial() -> None:
    hits = np.mean([_error(seed) for seed in range(20)])
    assert hits == pytest.approx((0.8 * 0.2 / 1000) ** 0.5, rel=0.15)


def test_figure_error_of_misses_in_storms_is_larger() -> None:
    truth = np.ones(960)
    storms = np.where((np.arange(960) // 40) % 5 == 0, 0.1, 0.9)
    found = figure("accuracy", truth, storms)
    assert found is not None
    assert found.value == pytest.approx(0.8, abs=0.05)
    assert found.standard_error > 4 * (0.8 * 0.2 / 960) ** 0.5


def _error(seed: int) -> float:
    truth = np.ones(1000)
    found = figure("accuracy", truth, np.where(np.random.default_rng(seed).random(1000) < 0.2, 0.1, 0.9))
    assert found is not None
    return found.standard_error
