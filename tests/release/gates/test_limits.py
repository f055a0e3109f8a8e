"""Every limit of every gate: what lies exactly at it passes, and what lies a hair beyond it is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.release.gates import Evaluation, GateResult
from almanac.release.gates.absolute import absolute
from almanac.release.gates.baselines import baselines, segments
from almanac.release.gates.budget import budget
from almanac.release.gates.champion import champion, variation
from almanac.release.gates.evaluation import Gate, closed
from almanac.release.gates.fit import calibration, gap
from almanac.release.gates.parity import parity
from almanac.training.export.parity import ParityPart, ParityReport
from tests.release.gates.evaluations import QUICK, rows
from tests.release.gates.evaluations import champion as champion_of

FAR = ParityReport(0.999, ParityPart(100, 0.999, 2e-5, 1e-4), ParityPart(50, 1.0, 1e-7, 1e-6))
# The candidate errs on 25 % of the rows, the baselines on 20 % and the champion on 15 %: every figure is a loss.
WORSE = rows(candidate=0.25)
GIVEN = Evaluation(WORSE, FAR, train_metrics={"f1_macro": 0.9}, speed=QUICK, **champion_of(WORSE, 0.15))
BETTER = replace(GIVEN, backtest=rows())
# As good as the champion within chance: how much loss may be left open is the question.
AS_GOOD = replace(GIVEN, **champion_of(WORSE, 0.25))

# By result: gate, section and name of the limit, the limit by which this candidate is exactly good enough, from its
# result under a limit of 0 or 1, and the direction in which the limit becomes stricter.
Limit = tuple[Gate, Evaluation, str, str, Callable[[GateResult], float], int]
LIMITS: dict[str, Limit] = {
    "absolute[f1_macro]": (absolute, GIVEN, "gates.absolute", "f1_macro", lambda one: one.measured, +1),
    "absolute[log_loss]": (absolute, GIVEN, "gates.absolute", "log_loss", lambda one: one.measured, -1),
    "baselines[f1_macro]": (baselines, BETTER, "gates.baselines", "margin", lambda one: one.measured - one.limit, +1),
    "segments[spring]": (segments, GIVEN, "gates.segments", "max_loss", lambda one: one.limit - one.measured, -1),
    "champion[f1_macro]": (champion, AS_GOOD, "gates.champion", "max_loss", lambda one: -one.measured, -1),
    "calibration[ece]": (calibration, GIVEN, "gates.calibration", "max_ece", lambda one: one.measured, -1),
    "calibration[brier]": (calibration, GIVEN, "gates.calibration", "max_brier", lambda one: one.measured, -1),
    "gap[f1_macro]": (gap, GIVEN, "gates.gap", "max_gap", lambda one: one.measured, -1),
    "budget[size]": (budget, GIVEN, "gates.budget", "max_size_mb", lambda one: one.measured, -1),
    "budget[latency]": (budget, GIVEN, "gates.budget", "max_latency_ms", lambda one: one.measured, -1),
    "parity[holdout labels]": (parity, GIVEN, "gates.parity", "min_label_agreement", lambda one: one.measured, +1),
    "parity[holdout answers]": (
        parity,
        GIVEN,
        "gates.parity",
        "max_probability_difference",
        lambda one: one.measured,
        -1,
    ),
}
FIRST = {"max_size_mb": 1.0, "max_latency_ms": 1.0, "max_probability_difference": 1.0, "max_brier": 1.0}


@pytest.fixture
def seasons(weather: Model, change) -> Model:
    """The limits below are the only ones: the model's own of a family of estimators are taken out."""
    return change(change(weather, "gates.segments", rows="holdout", required=()), "gates.parity", families={})


@pytest.mark.parametrize("name", LIMITS)
def test_gate_at_its_limit_passes_and_a_hair_beyond_it_refuses(seasons, change, name: str) -> None:
    gate, given, section, field, exact, stricter = LIMITS[name]
    if name == "segments[spring]":
        given = replace(given, backtest=given.backtest.with_columns(pl.col("time") + pl.duration(days=150)))

    def result(limit: float) -> GateResult:
        model = change(seasons, section, **{field: float(limit)})
        return next(one for one in closed("gate", gate, model, given) if one.name == name)

    limit = exact(result(FIRST.get(field, 0.0)))
    assert result(limit).passed
    assert not result(np.nextafter(limit, stricter * np.inf)).passed


def test_calibration_of_exactly_as_many_rows_as_are_needed_is_measured(weather, change) -> None:
    height = GIVEN.holdout.height
    of = {n: calibration(change(weather, "gates.calibration", min_rows=n), GIVEN) for n in (height, height + 1)}
    assert of[height][0].measured is not None
    assert [(one.name, one.passed) for one in of[height + 1]] == [("calibration", False)]


def test_segment_of_exactly_as_many_rows_as_are_needed_is_judged(seasons, change) -> None:
    autumn = GIVEN.holdout.filter(pl.col("time").dt.month().is_between(9, 11)).height

    def measured(least: int) -> bool:
        model = change(seasons, "gates.segments", min_rows=least)
        return next(one for one in segments(model, GIVEN) if one.name == "segments[autumn]").measured is not None

    assert measured(autumn)
    assert not measured(autumn + 1)


def test_first_version_has_no_champion_to_be_worse_than_or_different_from(weather) -> None:
    first = replace(GIVEN, champion="", champion_predictions=None)
    for gate in (champion, variation):
        (one,) = gate(weather, first)
        assert (one.passed, one.measured, one.ask) == (True, None, False)


def test_champion_that_cannot_be_measured_refuses_and_says_why(weather) -> None:
    for why, text in (("its graph is lost", "its graph is lost"), ("", "no reason was given")):
        for gate in (champion, variation):
            (one,) = gate(weather, replace(GIVEN, champion_predictions=None, champion_problem=why))
            assert not one.passed
            assert one.reason == f"champion 7 cannot be measured: {text}"


def test_candidate_and_champion_are_measured_each_with_its_own_threshold(weather) -> None:
    """Both predict the same; the thresholds alone make the one worse than the other, and other answers of it."""
    answers = GIVEN.holdout["answer"].to_numpy()
    same = replace(GIVEN, champion_predictions=answers)
    assert champion(weather, same)[0].measured == 0.0
    assert variation(weather, same)[0].measured == 0.0
    all_no = replace(same, threshold=0.95)
    assert champion(weather, all_no)[0].measured < -0.1
    assert variation(weather, all_no)[0].measured == float((answers >= 0.5).mean())
    assert champion(weather, replace(same, champion_threshold=0.95))[0].measured > 0.1


def test_probability_at_the_threshold_and_at_both_ends_is_possible(weather) -> None:
    """0 and 1 are probabilities, and at the threshold the answer is yes."""
    answers = np.resize([0.0, 0.5, 1.0], GIVEN.holdout.height)
    given = replace(GIVEN, champion_predictions=answers)
    changed = (answers >= 0.5) != (GIVEN.holdout["answer"].to_numpy() >= 0.5)
    assert variation(weather, given)[0].measured == float(changed.mean())


@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_variation_of_an_impossible_probability_refuses(weather, value: float) -> None:
    answers = np.full(GIVEN.holdout.height, 0.5)
    answers[3] = value
    with pytest.raises(ValueError, match="1 probabilities of 2160 are NaN or outside"):
        variation(weather, replace(GIVEN, champion_predictions=answers))
