"""A bayesian search learns from its trials: it comes nearer than draws do, and says the same each time."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from almanac.config.schema import Model
from almanac.errors import ConfigError
from almanac.training.fit.search import best_trial, proposals, run_trials
from almanac.training.fit.trial import Trial
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

SPACE = {"max_depth": {"low": 1, "high": 99}, "max_features": {"low": 0.0001, "high": 1.0, "log": True}}


@pytest.fixture(scope="session")
def searching(small, change) -> Callable[..., Model]:
    """`searching(space=..., trials=...)`: the small model with one forest that is searched."""

    def made(metric: str = "f1_macro", seed: int = 42, kind: str = "bayesian", **search: Any) -> Model:
        forest = {
            "estimator": "sklearn.ensemble.RandomForestClassifier",
            "scale": False,
            "params": {"n_estimators": 3},
            "search": {"kind": kind, **search},
        }
        return change(small, "train", candidates={"forest": forest}, metric=metric, seed=seed)

    return made


def distance(found: Mapping[str, Any], _share: float) -> float:
    """Best, 0, at a depth of 70 and a hundredth of the features."""
    from math import log10

    return abs(found["max_depth"] - 70) / 100 + abs(log10(found["max_features"]) + 2) / 4


def run(model: Model, attempt: Callable[[Mapping[str, Any], float], float], **more: Any) -> list[Trial]:
    return run_trials(model, "forest", proposals(model, "forest", None), attempt, **more)


def test_bayesian_comes_nearer_than_as_many_draws(searching) -> None:
    def nearest(kind: str, seed: int) -> float:
        model = searching(metric="log_loss", kind=kind, seed=seed, space=SPACE, trials=30)
        return best_trial(model, "forest", run(model, distance)).score or 0.0

    won = sum(nearest("bayesian", seed) < nearest("random", seed) for seed in range(3))
    assert won >= 2


def test_bayesian_higher_is_better_of_a_metric_where_it_is(searching) -> None:
    model = searching(metric="roc_auc", space={"max_depth": {"low": 1, "high": 99}}, trials=25)
    trials = run(model, lambda found, _share: found["max_depth"] / 100)
    later = [trial.found["max_depth"] for trial in trials[10:]]
    assert len(trials) == 25
    assert sorted(later)[len(later) // 2] > 80


def test_bayesian_begins_with_draws_and_proposes_the_same_again(searching) -> None:
    model = searching(metric="log_loss", space=SPACE, trials=14)
    first, second = run(model, distance), run(model, distance)
    drawn = proposals(searching(kind="random", space=SPACE, trials=14), "forest", None)
    assert [trial.found for trial in first] == [trial.found for trial in second]
    assert [dict(trial.found) for trial in first[:10]] == drawn[:10]
    assert dict(first[10].found) != drawn[10]
    json.dumps([trial.to_dict() for trial in first])  # nothing of another library: it travels between tasks


def test_bayesian_of_lists_tries_no_combination_twice_and_ends_when_there_are_none(searching) -> None:
    space = {"max_depth": [1, 2, 3, 4], "criterion": ["gini", "entropy"], "bootstrap": [True, False]}
    model = searching(space=space, trials=60)
    trials = run(model, lambda found, _share: found["max_depth"] / 10)
    tried = [json.dumps(trial.found, sort_keys=True) for trial in trials]
    assert len(tried) == len(set(tried)) <= 16
    assert best_trial(model, "forest", trials).found["max_depth"] == 4


def test_bayesian_that_cannot_be_fitted_is_noted_and_the_others_go_on(searching) -> None:
    def refused(found: Mapping[str, Any], _share: float) -> float:
        if found["max_depth"] % 2:
            raise ConfigError("no odd depth")
        return float(found["max_depth"])

    trials = run(searching(space={"max_depth": {"low": 1, "high": 99}}, trials=20), refused)
    assert len(trials) == 20
    assert {trial.fault for trial in trials} == {"", "no odd depth"}


def test_bayesian_none_fitted_goes_on_and_says_why_at_its_end(searching) -> None:
    def refused(_found: Mapping[str, Any], _share: float) -> float:
        raise ConfigError("not this one")

    model = searching(space={"max_depth": {"low": 1, "high": 99}}, trials=12)
    trials = run(model, refused)
    assert len(trials) == 12
    with pytest.raises(ConfigError, match="not this one"):
        best_trial(model, "forest", trials)


def test_bayesian_leaves_out_what_a_person_gave_by_hand(searching) -> None:
    model = searching(metric="log_loss", space=SPACE, trials=12)
    proposed = proposals(model, "forest", {"max_depth": 3})
    trials = run_trials(model, "forest", proposed, lambda found, _share: found["max_features"])
    assert {tuple(trial.found) for trial in trials} == {("max_features",)}
    assert len(trials) == 12


def test_bayesian_without_optuna_says_so_before_its_first_trial(searching, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"a bayesian search needs the package 'optuna'.*almanac\[bayesian\]"):
        proposals(searching(space=SPACE, trials=40), "forest", None)


def test_bayesian_stops_as_declared(searching) -> None:
    model = searching(space={"max_depth": {"low": 1, "high": 99}}, trials=40, stop={"no_gain_in": 12})
    assert len(run(model, lambda _found, _share: 0.5)) == 13


def test_bayesian_is_one_task_because_its_trials_wait_for_each_other(searching) -> None:
    model = searching(space=SPACE, trials=400)
    search = model.train.candidates["forest"].search
    assert search is not None
    assert not search.may_be_long


def test_bayesian_of_a_real_forest_is_what_the_final_fit_uses(searching, frame) -> None:
    model = searching(space={"max_depth": [1, 8], "min_samples_leaf": {"low": 1, "high": 50}}, trials=11)
    found = train_candidate(model, frame, now=NOW)
    best = max(found.selection.trials, key=lambda trial: trial.score or 0.0)
    assert len(found.selection.trials) == 11
    assert {name: found.pipeline[-1].get_params()[name] for name in best.found} == best.found
