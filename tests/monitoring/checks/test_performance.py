from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from almanac.monitoring.checks.performance import PerformanceState, evaluate
from almanac.statistics.figures import figure, lower_is_better, measured, worse_by
from almanac.statistics.metrics import UndefinedMetricError
from almanac.statistics.profile import Figure, ReferenceProfile
from tests.monitoring.world import START, TRAINED_UNTIL, WEATHER, changed
from tests.training.number_labels.load import LOAD, load_yaml

MODEL = changed(WEATHER, "monitor.performance", metric="accuracy", max_loss=0.05, min_rows=300)
RNG = np.random.default_rng(4)
YEAR = {"year": 1.0}


def profile(**figures: Figure) -> ReferenceProfile:
    return ReferenceProfile("weather", START, TRAINED_UNTIL, 17520, "month", (), {}, figures)


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
    assert found.standing is PerformanceState.HOLDING
    assert found.value == pytest.approx(0.89, abs=0.002)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.89 < found.high
    assert found.reasons == ()


def test_evaluate_clear_loss_is_degraded_with_figures() -> None:
    probabilities, labels = said(0.75)
    found = evaluate(MODEL, JUDGED, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is PerformanceState.DEGRADED
    assert found.reasons[0].startswith("accuracy 0.750 against 0.900 when judged: worse by 0.150, limit 0.05")


def test_evaluate_loss_that_chance_explains_is_holding() -> None:
    unsure = profile(year=Figure("accuracy", 0.90, 0.08, 300))
    probabilities, labels = said(0.80)
    found = evaluate(MODEL, unsure, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.loss == pytest.approx(0.1, abs=0.002)
    assert found.standing is PerformanceState.HOLDING


def test_evaluate_significant_but_small_loss_is_holding() -> None:
    sure = profile(year=Figure("accuracy", 0.90, 0.0005, 10**6))
    probabilities, labels = said(0.87, n=20_000)
    found = evaluate(MODEL, sure, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is PerformanceState.HOLDING


def test_evaluate_few_labels_are_insufficient_and_coverage_is_reported() -> None:
    probabilities, labels = said(0.2)
    labels[250:] = np.nan
    found = evaluate(MODEL, JUDGED, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.standing is PerformanceState.INSUFFICIENT
    assert found.reasons == ("250 labelled predictions of 720, at least 300 are needed",)
    assert found.coverage == pytest.approx(250 / 720)


def test_evaluate_nothing_scored_is_insufficient() -> None:
    nothing = np.empty(0)
    found = evaluate(MODEL, JUDGED, probabilities=nothing, labels=nothing, weights=YEAR)
    assert (found.standing, found.coverage) == (PerformanceState.INSUFFICIENT, 0.0)


def test_evaluate_one_class_where_the_metric_needs_two_is_insufficient() -> None:
    model = changed(MODEL, "monitor.performance", metric="f1_macro")
    found = evaluate(model, JUDGED, probabilities=np.full(400, 0.1), labels=np.zeros(400), weights=YEAR)
    assert found.standing is PerformanceState.INSUFFICIENT
    assert found.reasons == ("fewer than 30 of 400 labelled rows have the rarer label",)


def test_evaluate_rarer_label_in_one_storm_alone_is_insufficient() -> None:
    """Forty hours of snow in a row are one event, which no interval can be built on."""
    model = changed(MODEL, "monitor.performance", metric="f1_macro")
    judged = profile(year=Figure("f1_macro", 0.90, 0.01, 8640, share=0.4))
    truth = (np.arange(720) // 40 == 3).astype(float)
    found = evaluate(model, judged, probabilities=truth * 0.6 + 0.2, labels=truth, weights=YEAR)
    assert found.reasons == ("f1_macro is not defined on the 720 labelled predictions",)


def test_evaluate_another_mix_of_labels_is_no_loss() -> None:
    """The same hits and false alarms give another F1 where the label is rare; nothing is wrong with the model."""
    model = changed(MODEL, "monitor.performance", metric="f1")
    n = 7200
    often, rare = (RNG.random(n) < 0.5).astype(float), (RNG.random(n) < 0.08).astype(float)

    def say(truth: np.ndarray) -> np.ndarray:
        predicted = np.where(truth == 1, RNG.random(n) < 0.8, RNG.random(n) < 0.15)
        return np.where(predicted, 0.9, 0.1)

    judged = figure("f1", often, say(often))
    assert judged is not None
    found = evaluate(model, profile(year=judged), probabilities=say(rare), labels=rare, weights=YEAR)
    assert found.plain is not None
    assert found.plain < judged.value - 0.2
    assert found.standing is PerformanceState.HOLDING
    assert found.value == pytest.approx(judged.value, abs=0.03)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_measured_at_another_share_equals_scikit_learns_weights(share: float) -> None:
    truth = (RNG.random(3000) < 0.3).astype(float)
    predicted = np.clip(truth * 0.3 + RNG.random(3000) * 0.7, 0, 1)
    weights = np.where(truth == 1, share / truth.mean(), (1 - share) / (1 - truth.mean()))
    for metric, function, predictions in (
        ("accuracy", sk.accuracy_score, predicted >= 0.5),
        ("log_loss", sk.log_loss, predicted.clip(1e-6, 1 - 1e-6)),
        ("average_precision", sk.average_precision_score, predicted),
    ):
        expected = function(truth, predictions, sample_weight=weights)
        got = measured(metric, truth, predicted.clip(1e-6, 1 - 1e-6), share=share)
        assert got == pytest.approx(expected, abs=0.01), metric


def test_measured_share_without_one_of_the_labels_raises() -> None:
    with pytest.raises(UndefinedMetricError, match=r"0 labels 1 and 50 labels 0 cannot be weighted to 0\.4"):
        measured("f1", np.zeros(50), np.full(50, 0.2), share=0.4)


def test_evaluate_rmse_degraded_with_figures() -> None:
    model = load_yaml(LOAD, monitor={"performance": {"metric": "rmse", "max_loss": 20.0, "min_rows": 300}})
    truth = RNG.normal(200, 80, 720)
    judged = figure("rmse", truth, truth + RNG.normal(0, 67, 720))
    assert judged is not None
    assert judged.share is None
    found = evaluate(
        model, profile(year=judged), probabilities=truth + RNG.normal(-85, 92, 720), labels=truth, weights=YEAR
    )
    assert found.standing is PerformanceState.DEGRADED
    assert found.value == pytest.approx(125, abs=12)
    assert found.loss == pytest.approx(58, abs=14)


@pytest.mark.parametrize(("metric", "expected"), [("rmse", 12.5**0.5), ("mae", 3.5)])
def test_measured_errors_known_answers(metric: str, expected: float) -> None:
    assert measured(metric, np.array([10.0, 20.0]), np.array([13.0, 16.0])) == pytest.approx(expected)


def test_worse_by_of_errors_is_the_growth() -> None:
    assert worse_by("rmse", 125.0, 67.0) == 58.0
    assert worse_by("f1", 0.7, 0.8) == pytest.approx(0.1)
    assert (lower_is_better("mae"), lower_is_better("log_loss"), lower_is_better("f1")) == (True, True, False)


def test_evaluate_reference_of_another_metric_is_insufficient() -> None:
    probabilities, labels = said(0.9)
    other = profile(year=Figure("f1", 0.9, 0.01, 900))
    found = evaluate(MODEL, other, probabilities=probabilities, labels=labels, weights=YEAR)
    assert found.reasons == ("the reference profile has no accuracy; train again",)


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
    assert found.standing is PerformanceState.DEGRADED


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


def test_evaluate_measures_at_the_versions_own_threshold() -> None:
    """A version that says yes from .3 on is right here in every row; at .5 it would be wrong in four of ten."""
    truth = (np.arange(720) % 5 < 2).astype(float)
    own = replace(JUDGED, threshold=0.3)
    found = evaluate(MODEL, own, probabilities=np.where(truth == 1, 0.4, 0.1), labels=truth, weights=YEAR)
    assert found.value == 1.0
