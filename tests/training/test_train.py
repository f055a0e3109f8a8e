"""A candidate is reproducible, chosen before the hold-out, and the pipeline that was measured."""

import copy

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError, DataError
from almanac.registry.onnx_model import OnnxModel, predict_onnx
from almanac.statistics.metrics import measure
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import boundary_rows, check_parity
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import train_candidate, training_columns
from tests.training.conftest import NOW


@pytest.fixture(scope="module")
def candidate(small, frame):
    return train_candidate(small, frame, now=NOW)


def test_train_best_candidate_wins_and_beats_the_baselines(candidate) -> None:
    assert set(candidate.selection.scores) == {"logistic", "forest", "blind"}
    assert candidate.selection.scores[candidate.selection.name] == max(candidate.selection.scores.values())
    assert candidate.selection.name != "blind"
    best_baseline = max(values["f1_macro"] for values in candidate.metrics.baselines.values())
    assert candidate.metrics.holdout["f1_macro"] > best_baseline


def test_train_twice_gives_the_same_to_the_last_digit(small, frame, candidate) -> None:
    again = train_candidate(small, frame, now=NOW)
    assert again.metrics == candidate.metrics
    assert again.data.sha256 == candidate.data.sha256
    assert again.onnx == candidate.onnx
    assert again.rows.equals(candidate.rows)


def test_predict_of_a_forest_with_threads_is_the_same_to_the_last_digit(small, frame, change) -> None:
    forest = small.train.candidates["forest"].model_dump() | {
        "params": {"n_estimators": 60, "max_depth": 6, "n_jobs": 2}
    }
    model = change(small, "train", candidates={"forest": forest})
    rows = labelled_rows(model, frame, now=NOW)
    pipeline = fit(model, "forest", None, rows, np.arange(3000))
    alone = clone_in_one_thread(pipeline).predict_proba(rows.values)[:, 1]
    for _ in range(5):
        np.testing.assert_array_equal(predict(pipeline, rows.values), alone)
    assert pipeline[-1].n_jobs == 2


def clone_in_one_thread(pipeline):
    other = copy.deepcopy(pipeline)
    other[-1].n_jobs = 1
    return other


def test_train_holdout_is_predicted_by_the_pipeline_that_is_handed_over(small, frame, candidate) -> None:
    rows = labelled_rows(small, frame, now=NOW)
    fold = split(small, rows.times)[-1]
    last = candidate.rows.filter(pl.col("fold") == 3)
    np.testing.assert_array_equal(
        candidate.pipeline.predict_proba(rows.values[fold.test])[:, 1], last["answer"].to_numpy()
    )
    np.testing.assert_allclose(predict_onnx(candidate.onnx, rows.values[fold.test]), last["answer"], atol=1e-5)
    assert candidate.metrics.holdout["f1_macro"] == measure(
        "f1_macro", last["label"].to_numpy(), last["answer"].to_numpy()
    )


def test_train_choice_does_not_look_at_the_holdout(small, frame, candidate) -> None:
    start = candidate.rows.filter(pl.col("fold") == 3)["time"].min()
    spoilt = frame.with_columns(
        pl.when(pl.col("Timestamp") >= start + small.label.horizon)
        .then(pl.lit("rain"))
        .otherwise("Weather_conditions")
        .alias("Weather_conditions")
    )
    assert train_candidate(small, spoilt, now=NOW).selection.scores == candidate.selection.scores


def test_train_nothing_after_the_embargo_teaches(candidate) -> None:
    start = candidate.rows.filter(pl.col("fold") == 3)["time"].min()
    assert (start - candidate.data.train_end).total_seconds() == 4 * 3600


def test_train_override_cripples_the_one_candidate(small, frame, candidate) -> None:
    crippled = train_candidate(
        small, frame, now=NOW, candidates=["forest"], overrides={"max_depth": 1, "n_estimators": 1}
    )
    assert crippled.selection.name == "forest"
    assert crippled.selection.params["max_depth"] == 1
    assert crippled.pipeline[-1].get_params()["n_estimators"] == 1
    assert crippled.metrics.holdout["f1_macro"] < candidate.metrics.holdout["f1_macro"]


def test_train_refused_parameter_value_is_a_config_error(small, frame) -> None:
    with pytest.raises(ConfigError, match=r"candidate forest cannot be fitted.*max_depth"):
        train_candidate(small, frame, now=NOW, candidates=["forest"], overrides={"max_depth": -3})


def test_train_labels_of_one_class_refuse(small, frame) -> None:
    dry = frame.with_columns(pl.lit("clear").alias("Weather_conditions"))
    with pytest.raises(DataError, match=r"all \d+ training rows until .* have one label"):
        train_candidate(small, dry, now=NOW)


def test_train_with_too_little_history_refuses(small, frame) -> None:
    with pytest.raises(DataError, match="min_train_rows"):
        train_candidate(small, frame[:3000], now=NOW)


def test_train_reads_no_more_than_the_training_columns(small, frame, candidate) -> None:
    assert "Apparent_Temperature_C" not in training_columns(small)
    again = train_candidate(small, frame.select(training_columns(small)), now=NOW)
    assert again.data.sha256 == candidate.data.sha256


def test_train_reports_its_progress(small, frame) -> None:
    sent: list[str] = []
    train_candidate(small, frame, now=NOW, candidates=["logistic"], on_progress=sent.append)
    assert sent[1].startswith("logistic: fold 1 of 4")


def test_export_writes_names_label_and_horizon_into_the_graph(candidate) -> None:
    graph = OnnxModel(candidate.onnx)
    assert graph.features == candidate.features
    assert graph.metadata["almanac.label"] == "rain_in_4h"
    assert graph.metadata["almanac.horizon"] == "4h"


@pytest.mark.parametrize(
    ("estimator", "scale", "params"),
    [
        ("sklearn.ensemble.RandomForestClassifier", False, {"n_estimators": 20, "max_depth": 8}),
        ("sklearn.ensemble.ExtraTreesClassifier", False, {"n_estimators": 20, "max_depth": 8}),
        ("sklearn.ensemble.GradientBoostingClassifier", False, {"n_estimators": 20}),
        ("lightgbm.LGBMClassifier", False, {"n_estimators": 40}),
        ("sklearn.tree.DecisionTreeClassifier", False, {"max_depth": 8}),
        ("sklearn.linear_model.LogisticRegression", True, {}),
        ("sklearn.linear_model.SGDClassifier", True, {"loss": "log_loss"}),
        ("sklearn.naive_bayes.GaussianNB", True, {}),
        ("sklearn.neural_network.MLPClassifier", True, {"max_iter": 1000, "tol": 0.01}),
        ("sklearn.svm.SVC", True, {"probability": True}),
        ("sklearn.neighbors.KNeighborsClassifier", True, {}),
    ],
)
def test_parity_allowed_estimator_agrees_on_hard_rows(small, frame, change, estimator, scale, params) -> None:
    from almanac.training.fit.candidates import build_pipeline

    rows = labelled_rows(small, frame[:2000], now=NOW)
    model = change(small, "train", candidates={"one": {"estimator": estimator, "scale": scale, "params": params}})
    pipeline = build_pipeline(model, "one").fit(rows.values, rows.labels.astype(np.int64))
    report = check_parity(pipeline, export_onnx(model, pipeline, rows.names), rows.values[:500], quantile=0.999, seed=1)
    for part in (report.holdout, report.boundary):
        assert part.label_agreement >= 0.999
        assert part.quantile_difference <= 1e-4


def test_parity_of_another_graph_is_seen_and_listed(small, frame, candidate) -> None:
    other = train_candidate(small, frame, now=NOW, candidates=["blind"])  # answers with the base rate
    rows = labelled_rows(small, frame, now=NOW).values[-500:]
    report = check_parity(candidate.pipeline, other.onnx, rows, quantile=0.999, seed=1)
    assert report.holdout.label_agreement < 0.9
    assert report.disagreements[0].part == "holdout"


def test_boundary_rows_lie_at_split_points_and_both_sides(small, frame) -> None:
    forest = train_candidate(small, frame, now=NOW, candidates=["forest"])
    rows = labelled_rows(small, frame, now=NOW).values[-500:]
    made = boundary_rows(forest.pipeline, rows, seed=1)
    tree = forest.pipeline[-1].estimators_[0].tree_
    column, threshold = tree.feature[0], np.float32(tree.threshold[0])
    for value in (threshold, np.nextafter(threshold, np.float32(9e9)), np.nextafter(threshold, np.float32(-9e9))):
        assert (made[:, column] == value).any()
    assert np.isnan(made).all(axis=1).any()
    assert (made == 0).all(axis=1).any()
