"""Known answers of classes: wine, iris and digits of scikit-learn, as tables with made-up hours."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from sklearn import datasets
from sklearn import metrics as sk
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer

from almanac.config.grammar.estimators import ALLOWED_CLASSIFIERS, ENSEMBLES
from almanac.registry.onnx_model import OnnxModel
from almanac.release.gates import Evaluation, judge
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import check_parity
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import prepare, train_candidate
from tests.release.gates.evaluations import refused
from tests.training.class_labels.sky import START, sky

pytestmark = pytest.mark.slow
SETS = {"wine": datasets.load_wine, "iris": datasets.load_iris, "digits": datasets.load_digits}
FOREST = {
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "scale": False,
    "params": {"n_estimators": 30, "random_state": 3},
}
BOOSTED = {
    "estimator": "lightgbm.LGBMClassifier",
    "scale": False,
    "impute": "none",
    "params": {"n_estimators": 25, "n_jobs": 1},
}
SCALED = ("linear_model", "neural_network", "svm")  # scaled trees differ where a value lies at a split
PARAMS = {
    "sklearn.linear_model.SGDClassifier": {"loss": "log_loss"},
    "sklearn.svm.SVC": {"probability": True},
    "sklearn.ensemble.GradientBoostingClassifier": {"n_estimators": 10},
    "sklearn.neural_network.MLPClassifier": {"hidden_layer_sizes": 8, "max_iter": 300},
    "lightgbm.LGBMClassifier": {"n_estimators": 10, "n_jobs": 1},
}


def table(name: str, copies: int = 1) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The set in an order of chance, a row an hour, and its classes."""
    found = SETS[name]()
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(found.target)), copies))
    names = tuple(f"{name}_{one}" for one in found.target_names)
    columns = {f"x{number}": found.data[order, number].astype(float) for number in range(found.data.shape[1])}
    hours = pl.datetime_range(START, START + timedelta(hours=len(order) - 1), "1h", time_unit="us", eager=True)
    return pl.DataFrame({"Hour": hours, **columns, "kind": [names[one] for one in found.target[order]]}), names


def declared(frame: pl.DataFrame, names: tuple[str, ...], candidates: dict, **changes):
    columns = {one: {"type": "float"} for one in frame.columns if one.startswith("x")}
    hours = frame.height // 4
    return sky(
        dataset={"columns": {"Hour": {"type": "timestamp"}, **columns, "kind": {"type": "string"}}},
        label={"name": "kind", "column": "kind", "classes": names, "horizon": "0s"},
        features=[{"column": one} for one in columns],
        train={"backtest": {"folds": 2, "fold": f"{hours}h", "min_train_rows": 20}, "candidates": candidates},
        gates={
            "absolute": {"accuracy": 0.8},
            "baselines": {"metric": "f1_macro", "margin": 0.1, "kinds": ["majority", "stump"]},
            "segments": {"by": "hour_of_day", "metric": "accuracy", "max_loss": 0.3, "min_rows": 10},
            "calibration": {"min_rows": 30, "max_ece": 0.4},
            **changes,
        },
    )


@pytest.mark.parametrize("name", SETS)
def test_figures_are_those_of_scikit_learn_alone(name) -> None:
    frame, names = table(name)
    now = START + timedelta(hours=frame.height)
    model = declared(frame, names, {"forest": FOREST})
    candidate = train_candidate(model, frame, now=now)
    values = frame.select(pl.col("^x.*$").cast(pl.Float32)).to_numpy()
    labels = frame["kind"].replace_strict(names, range(len(names))).to_numpy()
    border = frame.height - frame.height // 4
    imputer = SimpleImputer(strategy="median").fit(values[:border])
    forest = RandomForestClassifier(**FOREST["params"]).fit(imputer.transform(values[:border]), labels[:border])
    alone, truth = forest.predict_proba(imputer.transform(values[border:])), labels[border:]
    found = candidate.metrics.holdout
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, alone.argmax(axis=1)), abs=1e-12)
    assert found["log_loss"] == pytest.approx(sk.log_loss(truth, alone, labels=range(len(names))), abs=1e-9)
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(truth, alone, multi_class="ovr"), abs=1e-9)
    assert found["accuracy"] > 0.9
    assert candidate.parity.holdout.max_difference < 1e-5


@pytest.mark.parametrize("path", sorted(ALLOWED_CLASSIFIERS - ENSEMBLES))
def test_each_allowed_estimator_predicts_classes_and_its_graph_agrees(path) -> None:
    frame, names = table("iris")
    candidate = {"estimator": path, "scale": path.split(".")[1] in SCALED, "params": PARAMS.get(path, {})}
    model = declared(frame, names, {"one": candidate})
    rows, folds = prepare(model, frame, now=START + timedelta(hours=frame.height))
    pipeline = fit(model, "one", None, rows, folds[-1].train)
    graph, holdout = export_onnx(model, pipeline, rows.names), rows.values[folds[-1].test]
    assert (predict(pipeline, holdout, classes=3).argmax(axis=1) == rows.labels[folds[-1].test]).mean() > 0.85
    report = check_parity(pipeline, graph, holdout, quantile=0.999, seed=1)
    assert report.holdout.label_agreement == 1.0
    assert report.holdout.max_difference < 1e-5
    assert OnnxModel(graph).classes == names


def test_boosted_trees_recognise_ten_digits_and_pass_their_gates() -> None:
    frame, names = table("digits")
    now = START + timedelta(hours=frame.height)
    model = declared(frame, names, {"boosted": BOOSTED}, gap={"metric": "f1_macro", "max_gap": 0.2})
    candidate = train_candidate(model, frame, now=now)
    assert candidate.metrics.holdout["accuracy"] > 0.9
    assert len([name for name in candidate.metrics.holdout if name.startswith("recall.")]) == 10
    results = judge(
        model,
        Evaluation(candidate.rows, candidate.parity, train_metrics=candidate.metrics.train, leaks=candidate.leaks),
    )
    assert set(refused(results)) <= {"contract", "budget"}  # nothing is served in this test


def test_rows_that_are_twice_in_the_table_are_found() -> None:
    """Wine twice over: each row of the hold-out has its twin among the training rows, or nearly each."""
    frame, names = table("wine", copies=2)
    model = declared(frame, names, {"forest": FOREST})
    candidate = train_candidate(model, frame, now=START + timedelta(hours=frame.height))
    assert candidate.leaks.duplicates / candidate.leaks.rows > 0.6
    results = judge(model, Evaluation(candidate.rows, candidate.parity, leaks=candidate.leaks))
    assert "leak[duplicates]" in refused(results)


def test_two_labels_of_one_table_are_two_models_that_share_its_rows() -> None:
    """Which wine it is, and whether it is strong: one table, two declarations."""
    frame, names = table("wine")
    now = START + timedelta(hours=frame.height)
    kinds = declared(frame, names, {"forest": FOREST})
    values = kinds.model_dump()
    values["label"] = {"name": "first", "column": "kind", "equals": names[0], "horizon": "0s"}
    values["gates"]["absolute"] = {"f1_macro": 0.5}
    first = type(kinds).model_validate(values)
    of_kinds, of_first = (train_candidate(one, frame, now=now) for one in (kinds, first))
    assert of_kinds.metrics.holdout["accuracy"] > 0.9
    assert of_first.metrics.holdout["accuracy"] > 0.9
    truth = of_kinds.rows["label"].to_numpy() == 0
    np.testing.assert_array_equal(of_first.rows["label"].to_numpy() == 1, truth)
