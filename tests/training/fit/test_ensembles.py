"""Candidates that are made of others: voting and stacking, in training, in the file and in the graph."""

import numpy as np
import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.export.export import export_onnx
from almanac.training.export.split_borders import SplitBorders
from almanac.training.fit.candidates import effective_params, members_of
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import prepare, train_candidate
from tests.training.class_labels.sky import NOW as SKY_NOW
from tests.training.class_labels.sky import make_sky, sky
from tests.training.fit.test_category_encoder import ALL, NOW, make_shops, shops
from tests.training.number_labels.load import LOAD, load_yaml, make_load

BOOSTED = {
    "estimator": "lightgbm.LGBMClassifier",
    "scale": False,
    "impute": "none",
    "params": {"n_estimators": 10, "n_jobs": 1},
}
FOREST = {
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "scale": False,
    "params": {"n_estimators": 8, "max_depth": 5, "n_jobs": 2},
}
LINEAR = {"estimator": "sklearn.linear_model.LogisticRegression", "scale": True}
MEMBERS = {"linear": LINEAR, "forest": FOREST, "boosted": BOOSTED}


def together(kind: str, *members: str, **given) -> dict:
    return {"estimator": f"sklearn.ensemble.{kind}", "scale": False, "of": list(members), **given}


def of_shops(kind: str):
    candidates = {**MEMBERS, "all": together(kind, "linear", "forest", "boosted")}
    return shops(features=ALL, train={"candidates": candidates})


@pytest.mark.parametrize("kind", ["VotingClassifier", "StackingClassifier"])
def test_graph_of_all_members_agrees_with_names_and_unknown_values(kind: str) -> None:
    model = of_shops(kind)
    rows, folds = prepare(model, make_shops(2100), now=NOW)
    pipeline = load_pipeline(dump_pipeline(fit(model, "all", None, rows, folds[-1].train)))
    graph = OnnxModel(export_onnx(model, pipeline, rows.names))
    assert np.isnan(rows.values).any()
    np.testing.assert_allclose(graph.predict(rows.values), predict(pipeline, rows.values), atol=2e-6)
    assert graph.predict(rows.values[:0]).shape == (0,)
    assert len(members_of(pipeline[-1])) == 3
    assert not len(SplitBorders(pipeline, len(rows.names)).points())


def test_votes_are_the_mean_of_the_members_probabilities() -> None:
    model = of_shops("VotingClassifier")
    rows, folds = prepare(model, make_shops(2100), now=NOW)
    alone = [predict(fit(model, name, None, rows, folds[-1].train), rows.values) for name in MEMBERS]
    both = predict(fit(model, "all", None, rows, folds[-1].train), rows.values)
    np.testing.assert_allclose(both, np.mean(alone, axis=0), atol=1e-12)


def test_members_predict_in_one_thread_and_keep_theirs() -> None:
    model = of_shops("VotingClassifier")
    rows, folds = prepare(model, make_shops(2100), now=NOW)
    pipeline = fit(model, "all", None, rows, folds[-1].train)
    seen = []
    forest = members_of(pipeline[-1])[1][-1]
    usual = forest.predict_proba
    forest.predict_proba = lambda values: (seen.append(forest.n_jobs), usual(values))[1]
    predict(pipeline, rows.values)
    assert (seen, forest.n_jobs) == ([1], 2)


@pytest.mark.parametrize("kind", ["VotingRegressor", pytest.param("StackingRegressor", marks=pytest.mark.slow)])
def test_numbers_are_voted_and_stacked(kind: str) -> None:
    candidates = load_yaml(LOAD).model_dump()["train"]["candidates"]
    candidates["both"] = together(kind, "ridge", "forest")
    model = load_yaml(LOAD, train={"candidates": candidates})
    frame = make_load(24 * 200)
    candidate = train_candidate(model, frame, now=frame["Hour"][-1], candidates=["both"])
    assert candidate.parity.holdout.quantile_difference < 1e-4
    assert candidate.metrics.holdout["r2"] > 0.7


def test_several_classes_are_voted() -> None:
    candidates = {**{name: dict(LINEAR) for name in ("one", "two")}, "both": together("VotingClassifier", "one", "two")}
    candidates["two"] = {**FOREST, "params": {"n_estimators": 5, "max_depth": 4}}
    model = sky(train={"candidates": candidates})
    candidate = train_candidate(model, make_sky(24 * 160), now=SKY_NOW, candidates=["both"])
    assert candidate.parity.holdout.label_agreement > 0.999
    assert candidate.estimator == "sklearn.ensemble.VotingClassifier"


def test_parameters_of_an_ensemble_are_its_own_and_unknown_ones_are_refused() -> None:
    model = of_shops("StackingClassifier")
    assert effective_params(model, "all", {"passthrough": True}) == {"passthrough": True}
    with pytest.raises(ConfigError, match=r"has no parameters .*max_depth"):
        effective_params(model, "all", {"max_depth": 3})
    with pytest.raises(ConfigError, match=r"has no parameters .*estimators"):
        effective_params(model, "all", {"estimators": "x"})


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (together("VotingClassifier", "linear"), "two or more other candidates"),
        (together("VotingClassifier", "linear", "linear"), "each once"),
        ({**LINEAR, "of": ["forest", "boosted"]}, "no other estimator"),
        (together("VotingClassifier", "linear", "nowhere"), "got 'nowhere', expected another estimator"),
        (together("VotingClassifier", "linear", "all"), "got 'all', expected another estimator"),
        (together("VotingClassifier", "linear", "net"), "got 'net', expected another estimator"),
        ({**together("VotingClassifier", "linear", "forest"), "scale": True}, "remove scale: true"),
        (together("VotingRegressor", "linear", "forest"), "the label is"),
    ],
)
def test_ensemble_that_cannot_be_is_refused(candidate, words: str) -> None:
    net = {
        "estimator": "sklearn.linear_model.SGDClassifier",
        "scale": True,
        "params": {"loss": "log_loss"},
        "learning": {"epochs": 3},
    }
    with pytest.raises((ValidationError, ConfigError), match=words):
        shops(train={"candidates": {**MEMBERS, "net": net, "all": candidate}})
