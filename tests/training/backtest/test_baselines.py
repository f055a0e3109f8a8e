"""Baselines are fitted on the training rows alone, and the stump is the best there is."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from almanac.errors import DataError
from almanac.statistics.metrics import THRESHOLD, UndefinedMetricError, measure
from almanac.training.backtest.backtest import LabelledRows, labelled_rows, subset
from almanac.training.backtest.baselines import best_stump, predict_baselines
from almanac.training.backtest.folds import split
from tests.training.conftest import NOW


def rows(values, labels, state=None) -> LabelledRows:
    values = np.asarray(values, dtype=np.float32)
    labels = np.asarray(labels, dtype=np.int8)
    times = np.datetime64("2023-01-01", "us") + np.arange(len(labels)) * np.timedelta64(1, "h")
    state = np.full(len(labels), np.nan) if state is None else np.asarray(state, dtype=float)
    return LabelledRows(tuple(f"f{i}" for i in range(values.shape[1])), values, times, labels, state)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "f1_macro", "average_precision"])
@pytest.mark.parametrize("seed", range(5))
def test_best_stump_is_as_good_as_brute_force(metric, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 6, (40, 3)).astype(np.float32)
    values[draw.random((40, 3)) < 0.1] = np.nan
    labels = (values[:, 1] + draw.normal(0, 2, 40) > 2).astype(np.int8)
    best = -np.inf
    for column, threshold, above in itertools.product(range(3), [-np.inf, *np.arange(0, 5)], (True, False)):
        known = np.nan_to_num(values[:, column], nan=-np.inf)
        text = known > threshold if above else ~(known > threshold)
        if text.all() or not text.any():
            continue
        best = max(best, measure(metric, labels, text.astype(float)))
    stump = best_stump(rows(values, labels), metric)
    assert measure(metric, labels, stump.decide(values).astype(float)) == pytest.approx(best)


def test_best_stump_finds_the_planted_rule() -> None:
    values = np.column_stack([np.tile([3.0, 1.0], 50), np.linspace(-10, 20, 100)])
    stump = best_stump(rows(values, values[:, 1] <= 0), "accuracy")
    assert (stump.column, stump.above) == (1, False)
    assert str(stump).startswith("f1 <= ")
    assert (stump.decide(np.array([[0, -1], [0, 1]], np.float32)) == [True, False]).all()


def test_best_stump_of_constant_columns_refuses() -> None:
    with pytest.raises(DataError, match="none of the columns"):
        best_stump(rows(np.ones((10, 2)), [0, 1] * 5), "accuracy")


def test_predict_baselines_does_not_look_at_the_test_labels() -> None:
    draw = np.random.default_rng(1)
    train = rows(draw.normal(size=(50, 2)), draw.integers(0, 2, 50), draw.integers(0, 2, 50))
    values, state = draw.normal(size=(20, 2)), draw.integers(0, 2, 20)
    one, other = (predict_baselines(train, rows(values, np.full(20, label), state), "accuracy") for label in (0, 1))
    for name in ("majority", "persistence", "stump"):
        np.testing.assert_array_equal(one.predictions[name], other.predictions[name])


def test_predict_baselines_persistence_says_the_present_and_majority_where_it_is_unknown() -> None:
    train = rows([[0], [1], [2], [3]], [0, 0, 0, 1], [0, 0, 1, 1])
    test = rows([[0]] * 3, [0] * 3, [1, 0, np.nan])
    predicted = predict_baselines(train, test, "accuracy").predictions
    assert ((predicted["persistence"] >= THRESHOLD) == [True, False, False]).all()
    assert ((predicted["majority"] >= THRESHOLD) == [False] * 3).all()


def test_predict_baselines_probabilities_are_the_shares_of_training() -> None:
    train = rows(np.arange(10)[:, None], [0] * 7 + [1] * 3, [0] * 6 + [1] * 4)
    test = rows([[0]] * 2, [0, 1], [0, 1])
    predicted = predict_baselines(train, test, "accuracy").predictions
    np.testing.assert_allclose(predicted["majority"], 0.3)
    np.testing.assert_allclose(predicted["persistence"], [0, 0.75])


def test_predict_baselines_of_one_class_refuses() -> None:
    with pytest.raises(DataError, match="training rows have the label"):
        predict_baselines(rows([[0], [1]], [1, 1]), rows([[0]], [1]), "accuracy")


def test_undefined_metric_is_a_data_error() -> None:
    assert issubclass(UndefinedMetricError, DataError)


def test_predict_baselines_of_a_season_repeats_what_was_then() -> None:
    labels = np.tile([0, 1, 1, 0], 25)
    train, test = (
        replace(rows(np.arange(100)[:, None], labels), seasons={"day_ago": labels.astype(float)}) for _ in range(2)
    )
    predicted = predict_baselines(train, test, "accuracy").predictions
    assert ((predicted["day_ago"] >= THRESHOLD) == (labels == 1)).all()
    assert np.isnan(predicted["year_ago"]).all()


def test_predict_baselines_of_a_season_without_history_cannot_be_computed() -> None:
    labels = np.tile([0, 1], 50)
    known = np.where(np.arange(100) < 60, np.nan, labels)
    train = replace(rows(np.arange(100)[:, None], labels), seasons={"day_ago": known})
    assert np.isnan(predict_baselines(train, train, "accuracy").predictions["day_ago"]).all()


def test_labelled_rows_know_the_same_hour_of_a_day_ago(small, frame) -> None:
    found = labelled_rows(small, frame, now=NOW)
    rain = (frame["Weather_conditions"] == "rain").to_numpy()
    assert set(found.seasons) == {"day_ago", "week_ago", "year_ago"}
    row = 100
    assert found.times[row] == np.datetime64(frame["Timestamp"][row].replace(tzinfo=None))
    assert found.seasons["day_ago"][row] == rain[row + 4 - 24]
    assert np.isnan(found.seasons["day_ago"][0])
    assert np.isnan(found.seasons["week_ago"][row])


def test_season_that_is_shorter_than_the_label_is_late_is_refused(small, change) -> None:
    with pytest.raises(ValueError, match="day_ago would use labels that are known only 2 days"):
        change(small, "label", delay="44h")
    late = change(change(small, "gates.baselines", kinds=("majority",)), "label", delay="44h")
    assert late.label.known_after.days == 2


def test_declared_condition_is_a_rule_to_beat(small, change, frame) -> None:
    baselines = small.model_dump()["gates"]["baselines"]
    model = change(small, "gates", baselines={**baselines, "rules": {"muggy": "Humidity > 0.6"}})
    rows = labelled_rows(model, frame, now=NOW)
    fold = split(model, rows.times)[-1]
    predicted = predict_baselines(subset(rows, fold.train), subset(rows, fold.test), "accuracy").predictions["muggy"]
    humid = rows.values[fold.test][:, rows.names.index("Humidity")] > 0.6
    np.testing.assert_array_equal(predicted >= 0.5, humid)
