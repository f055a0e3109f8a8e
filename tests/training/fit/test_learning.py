"""Learning is watched: what is stuck, diverges or learns by heart ends early, the best epoch is kept, it is told."""

import math

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.config.sections.learning import Learning
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.fit.candidates import build_pipeline
from almanac.training.fit.learning import Epoch, broken_rule, fit_by_epochs
from almanac.training.train import train_candidate
from almanac.training.trained import constant_features
from tests.training.conftest import NOW

NET = {
    "estimator": "sklearn.neural_network.MLPClassifier",
    "scale": True,
    "params": {"hidden_layer_sizes": 16, "learning_rate_init": 0.01},
    "learning": {"epochs": 12},
}
SGD = {"estimator": "sklearn.linear_model.SGDClassifier", "scale": True}
RULES = Learning(epochs=100, stuck=3, diverging=3, overfitting=3)


@pytest.fixture(scope="module")
def watched(small, change):
    """`watched(...)`: the small model with one net, or another candidate, that learns in epochs."""

    def made(candidate=NET, **more):
        return change(small, "train", candidates={"one": {**candidate, **more}})

    return made


@pytest.fixture(scope="module")
def candidate(watched, frame):
    return train_candidate(watched(), frame, now=NOW)


def epochs(train, later=None) -> list[Epoch]:
    return [Epoch(*pair) for pair in zip(train, later or train, strict=True)]


@pytest.mark.parametrize(
    ("train", "later", "rule"),
    [
        ([0.6, 0.5, 0.4, 0.3], None, ""),
        ([0.5, 0.6, 0.7, 0.8], None, "diverging"),
        ([0.5, 0.6, 0.7, 0.65], None, ""),
        ([0.5, 0.4, math.inf], None, "diverging"),
        ([0.69, 0.69, 0.69], None, "stuck"),
        ([0.69, 0.69], None, ""),
        ([0.5, 0.5, 0.5, 0.5], None, ""),  # at rest, but it has learned something
        ([0.5, 0.4, 0.3, 0.2], [0.5, 0.52, 0.54, 0.56], "overfitting"),
        ([0.5, 0.4, 0.3, 0.2], [0.5, 0.52, 0.51, 0.56], ""),
    ],
)
def test_broken_rule_by_hand(train, later, rule: str) -> None:
    assert broken_rule(RULES, epochs(train, later), base_loss=math.log(2)) == rule


@pytest.mark.parametrize("rule", ["stuck", "diverging", "overfitting"])
def test_broken_rule_that_is_switched_off_says_nothing(rule: str) -> None:
    curves = {
        "stuck": epochs([0.69] * 4),
        "diverging": epochs([0.4, 0.5, 0.6, 0.65]),
        "overfitting": epochs([0.5, 0.4, 0.3, 0.2], [0.5, 0.6, 0.7, 0.8]),
    }
    assert broken_rule(RULES, curves[rule], math.log(2)) == rule
    assert broken_rule(RULES.model_copy(update={rule: None}), curves[rule], math.log(2)) == ""


def test_train_keeps_the_epoch_that_was_best_on_later_rows(candidate) -> None:
    losses = [epoch.validation_loss for epoch in candidate.curve.epochs]
    assert losses[candidate.curve.kept] == min(losses)
    teaching = (
        candidate.data.train_rows - candidate.data.train_rows // 10 - 3
    )  # the last three know labels of those that measure
    assert candidate.pipeline[-1].t_ == teaching * (candidate.curve.kept + 1)
    assert losses[-1] < losses[0]
    assert all(epoch.learning_rate > 0 for epoch in candidate.curve.epochs)
    assert candidate.warnings == ()


def test_train_in_epochs_twice_gives_the_same_to_the_last_digit(watched, frame, candidate) -> None:
    again = train_candidate(watched(), frame, now=NOW)
    assert again.curve == candidate.curve
    assert again.onnx == candidate.onnx


def test_train_without_learning_has_no_curve(small, frame) -> None:
    assert train_candidate(small, frame, now=NOW, candidates=["logistic"]).curve is None


def test_train_that_learns_nothing_is_stuck_and_people_are_notified(watched, frame) -> None:
    params = {"loss": "log_loss", "learning_rate": "constant", "eta0": 1e-9}
    stuck = train_candidate(watched(SGD, params=params, learning={"epochs": 50, "stuck": 4}), frame, now=NOW)
    assert (stuck.curve.rule, len(stuck.curve.epochs)) == ("stuck", 4)
    assert stuck.warnings[0].startswith("learning is stuck after 4 epochs: loss 0.69")


def test_train_that_memorises_is_overfitting(watched, change, frame) -> None:
    params = {"hidden_layer_sizes": 64, "learning_rate_init": 0.05, "alpha": 0.0}
    learning = {"epochs": 200, "overfitting": 2, "patience": 200}
    model = change(watched(params=params, learning=learning), "train.backtest", folds=2, fold="20d", min_train_rows=500)
    net = train_candidate(model, frame[-24 * 120 :], now=NOW)
    assert net.curve.rule == "overfitting"
    assert net.curve.kept < len(net.curve.epochs) - 1


def test_train_with_patience_ends_when_later_rows_gain_no_more(watched, frame) -> None:
    learning = {"epochs": 500, "patience": 3, "stuck": None, "diverging": None, "overfitting": None}
    net = train_candidate(watched(learning=learning), frame, now=NOW)
    assert len(net.curve.epochs) == net.curve.kept + 1 + 3
    assert net.curve.rule == ""


@pytest.mark.parametrize(
    ("column", "constant"),
    [
        ([1.0, 1.0, 1.0], True),
        ([1.0, np.nan, 1.0], True),
        ([np.nan, np.nan, np.nan], True),
        ([1.0, 2.0, 1.0], False),
        ([1.0, np.nan, 2.0], False),
    ],
)
def test_constant_features_have_one_value_at_most(column: list[float], constant: bool) -> None:
    values = np.array([column, [1.0, 2.0, 3.0]], dtype=np.float32).T
    times = np.arange(3).astype("datetime64[us]")
    rows = LabelledRows(("still", "moving"), values, times, np.zeros(3, dtype=np.int8), np.zeros(3))
    assert constant_features(rows, np.arange(3)) == (("still",) if constant else ())
    assert constant_features(rows, np.arange(0)) == ()


def test_train_on_a_feature_that_never_changes_notifies_people(small, frame) -> None:
    still = frame.with_columns(Humidity=pl.lit(0.5))
    (text,) = train_candidate(small, still, now=NOW, candidates=["logistic"]).warnings
    assert "Humidity" in text
    assert "training rows, so the model cannot use it; fix the source" in text


def test_warn_of_a_parameter_beside_a_figure_says_so_when_it_is_true(small, change, frame) -> None:
    warn = {"deep_and_blind": "max_depth > 5 and holdout_f1_macro < 0.999", "shallow": "max_depth < 5"}
    model = change(small, "train", warn=warn)
    forest = train_candidate(model, frame, now=NOW, candidates=["forest"])
    assert forest.warnings == ("deep_and_blind: max_depth > 5 and holdout_f1_macro < 0.999",)
    assert train_candidate(model, frame, now=NOW, candidates=["logistic"]).warnings == ()


@pytest.mark.parametrize("condition", ["depth > 5", "holdout_beauty < 1", "max_depth + 1", "__import__('os')"])
def test_warn_declared_wrongly_is_refused(small, change, condition: str) -> None:
    with pytest.raises(ValidationError, match=r"warn\.w"):
        change(small, "train", warn={"w": condition})


def test_learning_of_an_estimator_without_epochs_is_refused(small, change) -> None:
    with pytest.raises(ValidationError, match=r"learning needs one of .* got sklearn.ensemble"):
        change(small, "train.candidates.forest", learning={"epochs": 5})


def test_limit_on_an_epoch_of_an_estimator_ends_its_training(watched) -> None:
    limited = {"epochs": 12, "limits": {"slow": "epoch >= 2 and loss > learning_rate_init"}}
    model = watched(learning=limited)
    learning, draw = model.train.candidates["one"].learning, np.random.default_rng(1)
    values = draw.normal(size=(200, 15)).astype(np.float32)
    rows = (values, (values[:, 0] > 0).astype(np.int64))
    curve = fit_by_epochs(build_pipeline(model, "one", None), learning, rows, rows)
    assert curve.rule == "beyond the limit slow (epoch >= 2 and loss > learning_rate_init)"
    assert len(curve.epochs) == 2


@pytest.mark.parametrize(
    ("learning", "words"),
    [
        ({"limits": {"slow": "accuracy < 1"}}, "learning.limits.slow: no column 'accuracy'"),
        ({"metrics": ["accuracy"]}, "learning.metrics: only a program writes figures of its own"),
    ],
)
def test_limit_on_what_an_estimator_does_not_have_is_refused(watched, learning, words) -> None:
    with pytest.raises(ValidationError, match=words):
        watched(learning={"epochs": 12, **learning})
