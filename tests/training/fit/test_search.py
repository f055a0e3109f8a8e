"""A search tries what is declared, stops when it is told to, and what it found is what is used."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from almanac.config.sections.search import Search
from almanac.errors import ConfigError
from almanac.training.fit.search import best_trial, proposals, run_trials
from almanac.training.fit.search_run import Batch
from almanac.training.fit.trial import Trial
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "scale": False}


@pytest.fixture(scope="session")
def searching(small, change) -> Callable:
    """`searching(kind=..., space=...)`: the small model with one forest that is searched."""

    def made(metric="f1_macro", params=None, **search):
        forest = {**FOREST, "params": params or {"n_estimators": 3}, "search": search}
        return change(small, "train", candidates={"forest": forest}, metric=metric)

    return made


@pytest.fixture(scope="session")
def deep(searching):
    """A grid in which a stump comes first and a good forest last."""
    return searching(kind="grid", space={"max_depth": [1, 8], "n_estimators": [1, 20]})


@pytest.fixture(scope="session")
def found(deep, frame):
    return train_candidate(deep, frame, now=NOW)


def test_search_best_found_parameters_are_those_of_the_final_fit(found) -> None:
    best = max(found.selection.trials, key=lambda trial: trial.score)
    assert best.found == {"max_depth": 8, "n_estimators": 20}
    fitted = found.pipeline[-1].get_params()
    assert {name: fitted[name] for name in best.found} == best.found
    assert len(found.pipeline[-1].estimators_) == 20
    assert max(tree.get_depth() for tree in found.pipeline[-1].estimators_) > 1
    assert {**found.selection.params, **best.found} == found.selection.params


def test_search_does_not_look_at_the_holdout(deep, frame, found) -> None:
    import polars as pl

    start = found.rows.filter(pl.col("fold") == 3)["time"].min()
    spoilt = frame.with_columns(
        pl.when(pl.col("Timestamp") >= start + deep.label.horizon)
        .then(pl.lit("rain"))
        .otherwise("Weather_conditions")
        .alias("Weather_conditions")
    )
    again = train_candidate(deep, spoilt, now=NOW)
    assert [(each.found, each.score) for each in again.selection.trials] == [
        (each.found, each.score) for each in found.selection.trials
    ]


def test_search_of_other_tasks_is_not_searched_again_and_gives_the_same(deep, frame, found) -> None:
    sent: list[str] = []
    again = train_candidate(deep, frame, now=NOW, searched=found.selection.trials, on_progress=sent.append)
    assert sum("fold" in line and "rows" in line for line in sent) == 1 + 3  # features, and the winner on three folds
    assert again.onnx == found.onnx
    assert again.rows.equals(found.rows)


def test_proposals_of_a_grid_are_all_combinations(deep) -> None:
    assert len(proposals(deep, "forest", None)) == 4


def test_proposals_leave_out_what_a_person_gave_by_hand(deep) -> None:
    assert proposals(deep, "forest", {"max_depth": 3}) == [{"n_estimators": 1}, {"n_estimators": 20}]
    assert proposals(deep, "forest", {"max_depth": 3, "n_estimators": 5}) == [{}]


def test_proposals_of_ranges_stay_within_and_are_the_seeds(searching) -> None:
    space = {
        "max_depth": {"low": 2, "high": 9},
        "min_samples_leaf": {"low": 1, "high": 100, "log": True},
        "max_features": {"low": 0.1, "high": 1.0},
        "criterion": ["gini", "entropy"],
    }
    model = searching(kind="random", space=space, trials=200)
    drawn = proposals(model, "forest", None)
    assert drawn == proposals(model, "forest", None)
    assert {type(each["max_depth"]) for each in drawn} == {int}
    assert {each["max_depth"] for each in drawn} == set(range(2, 10))
    leaves = np.array([each["min_samples_leaf"] for each in drawn])
    assert 1 <= leaves.min() <= leaves.max() <= 100
    assert 7 < np.median(leaves) < 15  # the middle of a log scale
    assert all(0.1 <= each["max_features"] <= 1 for each in drawn)
    json.dumps(drawn)  # nothing of numpy: it travels between tasks


def test_proposals_of_lists_alone_are_no_more_than_there_are(searching) -> None:
    assert len(proposals(searching(kind="random", space={"max_depth": [1, 2]}, trials=9), "forest", None)) == 2


class Bench:
    """An attempt whose score is the parameter `C`, and which takes `seconds`."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds, self.time, self.tried = seconds, 0.0, []

    def attempt(self, found, share) -> float:
        self.time += self.seconds
        self.tried.append((found["max_depth"], share))
        if found["max_depth"] < 0:
            raise ConfigError(f"max_depth {found['max_depth']} is not allowed")
        return found["max_depth"] / 100

    def run(self, model, values, **more) -> list[Trial]:
        proposed = [{"max_depth": value} for value in values]
        return run_trials(model, "forest", proposed, self.attempt, clock=lambda: self.time, **more)


@pytest.mark.parametrize(
    ("stop", "values", "made"),
    [
        ({"reached": 0.5}, [10, 50, 90], 2),
        ({"no_gain_in": 2}, [10, 9, 11, 8, 7, 90], 5),
        ({"time": "3s"}, [1, 2, 3, 4, 5], 3),
        ({}, [1, 2, 3], 3),
    ],
)
def test_run_trials_stops_as_declared(searching, stop, values, made) -> None:
    model = searching(kind="grid", space={"max_depth": values}, stop=stop)
    assert len(Bench().run(model, values)) == made


def test_run_trials_reached_of_a_metric_where_less_is_better(searching) -> None:
    model = searching(metric="log_loss", kind="grid", space={"max_depth": [1]}, stop={"reached": 0.2})
    assert len(Bench().run(model, [90, 30, 10, 5])) == 3


def test_run_trials_after_the_deadline_of_all_tasks_makes_none_but_the_first(searching) -> None:
    model = searching(kind="grid", space={"max_depth": [1]})
    assert len(Bench().run(model, [1, 2], deadline=0.0)) == 1


def test_run_trials_that_cannot_be_fitted_is_noted_and_the_others_go_on(searching) -> None:
    model = searching(kind="grid", space={"max_depth": [1]})
    trials = Bench().run(model, [-1, 5])
    assert (trials[0].score, trials[0].fault) == (None, "max_depth -1 is not allowed")
    assert best_trial(model, "forest", trials).found == {"max_depth": 5}


def test_best_trial_when_none_could_be_fitted_says_why(searching) -> None:
    model = searching(kind="grid", space={"max_depth": [1]})
    with pytest.raises(ConfigError, match="max_depth -1 is not allowed; max_depth -2 is not allowed"):
        best_trial(model, "forest", Bench().run(model, [-1, -2]))


def test_halving_gives_the_better_third_three_times_as_much_history(searching) -> None:
    model = searching(kind="halving", space={"max_depth": {"low": 1, "high": 99}}, trials=9)
    bench = Bench()
    trials = bench.run(model, range(1, 10))
    assert [share for _, share in bench.tried] == [1 / 9] * 9 + [1 / 3] * 3 + [1.0]
    assert [value for value, share in bench.tried if share > 1 / 9] == [9, 8, 7, 9]
    assert best_trial(model, "forest", trials).found == {"max_depth": 9}


def test_halving_out_of_time_ends_with_the_best_on_all_history(searching) -> None:
    model = searching(kind="halving", space={"max_depth": {"low": 1, "high": 99}}, trials=9, stop={"time": "5s"})
    bench = Bench()
    bench.run(model, range(1, 10))
    assert bench.tried[9:] == [(9, 1.0)]


def test_halving_of_a_real_forest_takes_the_newest_history(searching, frame) -> None:
    model = searching(kind="halving", space={"max_depth": [1, 8, 2]}, trials=3)
    sent: list[str] = []
    found = train_candidate(model, frame, now=NOW, on_progress=sent.append)
    assert [round(each.share, 2) for each in found.selection.trials] == [0.33, 0.33, 0.33, 1.0]
    assert found.selection.params["max_depth"] == 8


@pytest.mark.parametrize(
    ("search", "long"),
    [
        ({"kind": "grid", "space": {"a": [1, 2]}}, True),  # unknown until the first was measured
        ({"kind": "random", "space": {"a": [1, 2]}, "trials": 40, "trial_cost": "1s"}, False),
        ({"kind": "random", "space": {"a": [1, 2]}, "trials": 40, "trial_cost": "10s"}, True),
        ({"kind": "grid", "space": {"a": [1, 2], "b": [1, 2, 3]}, "trial_cost": "10s"}, False),
        ({"kind": "halving", "space": {"a": [1, 2]}, "trials": 40, "trial_cost": "1h"}, False),
    ],
)
def test_may_be_long_forty_short_trials_are_not_forty_tasks(search, long) -> None:
    assert Search.model_validate(search).may_be_long is long


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"kind": "grid", "space": {"a": [1]}, "trials": 3}, "a grid tries all its combinations"),
        (
            {"kind": "grid", "space": {"a": {"low": 1, "high": 2}}},
            r"needs lists of values; got ranges for \['a'\]",
        ),
        ({"kind": "random", "space": {"a": [1]}}, "trials is missing"),
        ({"kind": "random", "space": {"a": []}, "trials": 2}, r"no values to try; got none for \['a'\]"),
        ({"kind": "random", "space": {}, "trials": 2}, "at least 1 item"),
        ({"kind": "random", "space": {"a": {"low": 2, "high": 1}}, "trials": 2}, "low is not below high"),
        ({"kind": "random", "space": {"a": {"low": 0, "high": 1, "log": True}}, "trials": 2}, "begins above 0"),
    ],
)
def test_search_declared_wrongly_is_refused(search, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Search.model_validate(search)


def test_train_with_an_unknown_parameter_in_the_space_is_a_config_error(searching, frame) -> None:
    model = searching(kind="grid", space={"depth": [1, 2]})
    with pytest.raises(ConfigError, match=r"has no parameters \['depth'\]"):
        train_candidate(model, frame, now=NOW)


def test_batch_travels_as_json() -> None:
    done = (Trial("forest", {"a": 2}, 0.5, 1.0),)
    batch = Batch(3, {"sky": 7}, "2026-01-01T00:00:00+00:00", "forest", ({"a": 1},), done, 12.5)
    assert Batch.from_dict(json.loads(json.dumps(batch.to_dict()))) == batch
