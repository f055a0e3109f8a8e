"""Labels, folds, baselines, leaks and exports of a label with several classes."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError, DataError
from almanac.features.labels import labels, state_now
from almanac.registry.onnx_model import OnnxModel
from almanac.training.backtest.backtest import subset
from almanac.training.backtest.class_baselines import predict_class_baselines
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import check_parity
from almanac.training.fit.fitting import fit, fit_watched, predict
from almanac.training.fit.loss import Loss
from almanac.training.leaks import measure_leaks
from almanac.training.train import prepare, train_candidate
from tests.training.class_labels.sky import NAMES, NOW, START, make_sky, sky


@pytest.fixture(scope="module")
def prepared(model, frame):
    return prepare(model, frame, now=NOW)


def test_label_is_the_position_of_the_class_at_the_horizon(model) -> None:
    frame = make_sky(8).with_columns(Weather=pl.Series(["rain", "snow", "clear", None, "clear", "rain", None, "snow"]))
    found = labels(model, frame, now=START + timedelta(days=1))
    assert found.to_list() == [2, 0, None, 1, None, None, None, None]
    assert found.dtype == pl.Int8
    assert state_now(model, frame).to_list() == [0, 1, 2, None, 2, 0, None, 1]


def test_label_of_another_value_is_unknown_or_the_declared_other(model) -> None:
    frame = make_sky(5).with_columns(Weather=pl.Series(["rain", "snow", "clear", "rain", "fog"]))
    assert labels(model, frame, now=NOW)[0] is None
    assert labels(sky(label={"other": "clear"}), frame, now=NOW)[0] == NAMES.index("clear")


def test_same_rows_give_the_same_figures_and_predictions(model, frame, candidate) -> None:
    again = train_candidate(model, frame, now=NOW, candidates=[candidate.selection.name])
    assert again.metrics.holdout == candidate.metrics.holdout
    np.testing.assert_array_equal(again.rows["answer"].to_numpy(), candidate.rows["answer"].to_numpy())
    assert again.onnx == candidate.onnx


def test_candidate_of_classes_beats_each_baseline(candidate) -> None:
    figures = {name: values["f1_macro"] for name, values in candidate.metrics.baselines.items()}
    assert {"majority", "persistence", "stump", "day_ago", "week_ago"} <= figures.keys()
    assert candidate.metrics.holdout["f1_macro"] > max(figures.values()) + 0.05
    assert candidate.metrics.holdout["f1_macro"] > 0.85


def test_baselines_decide_as_they_say(prepared) -> None:
    rows, folds = prepared
    train, test = (subset(rows, part) for part in (folds[-1].train, folds[-1].test))
    found = predict_class_baselines(train, test, NAMES)
    decided = {name: values.argmax(axis=1) for name, values in found.predictions.items() if np.isfinite(values).all()}
    assert set(decided["majority"]) == {NAMES.index("clear")}
    np.testing.assert_array_equal(decided["persistence"], test.state_now)
    np.testing.assert_array_equal(decided["day_ago"], test.seasons["day_ago"])
    column, words = found.stump.split(" > ")
    border, high = words.split(": ")[0], words.split(": ")[1].split(",")[0]
    above = test.values[:, test.names.index(column)] > float(border)
    assert {NAMES[one] for one in decided["stump"][above]} == {high}
    for values in found.predictions.values():
        known = values[np.isfinite(values).all(axis=1)]
        np.testing.assert_allclose(known.sum(axis=1), 1)


def test_season_that_is_mostly_unknown_cannot_be_computed(prepared) -> None:
    rows, folds = prepared
    train, test = (subset(rows, part) for part in (folds[-1].train, folds[-1].test))
    assert np.isnan(predict_class_baselines(train, test, NAMES).predictions["year_ago"]).all()


def test_fold_without_a_class_gives_it_no_probability(model, prepared) -> None:
    rows, folds = prepared
    chosen = folds[-1].train[rows.labels[folds[-1].train] != NAMES.index("snow")]
    found = predict(fit(model, "forest", None, rows, chosen), rows.values[:50], classes=3)
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_export_that_lacks_a_class_is_refused_and_names_it(model, prepared) -> None:
    rows, folds = prepared
    chosen = folds[-1].train[rows.labels[folds[-1].train] != NAMES.index("snow")]
    with pytest.raises(DataError, match="no training row has the class snow, so RandomForestClassifier cannot predict"):
        export_onnx(model, fit(model, "forest", None, rows, chosen), rows.names)


def test_export_with_another_order_of_classes_is_refused(model, prepared) -> None:
    rows, folds = prepared
    pipeline = fit(model, "logistic", None, rows, folds[-1].train)
    estimator = pipeline[-1]
    estimator.classes_ = estimator.classes_[::-1]
    with pytest.raises(DataError, match=r"its classes in the order \[2, 1, 0\], expected \[0, 1, 2\]"):
        export_onnx(model, pipeline, rows.names)


def test_graph_gives_the_vector_of_probabilities_and_an_empty_one(candidate, frame) -> None:
    graph = OnnxModel(candidate.onnx)
    rows = candidate.example
    np.testing.assert_allclose(graph.predict(rows), candidate.pipeline.predict_proba(rows), atol=1e-6)
    assert graph.predict(np.empty((0, len(graph.features)), np.float32)).shape == (0, 3)
    assert graph.run(rows)[0].tolist() == candidate.pipeline.predict(rows).tolist()


def test_parity_compares_the_whole_vector(model, prepared) -> None:
    """A graph that swaps two classes agrees on every row that is clear, and on no other."""
    rows, folds = prepared
    pipeline = fit(model, "logistic", None, rows, folds[-1].train)
    graph = export_onnx(model, pipeline, rows.names)
    estimator = pipeline[-1]
    estimator.coef_, estimator.intercept_ = estimator.coef_[[1, 0, 2]], estimator.intercept_[[1, 0, 2]]
    report = check_parity(pipeline, graph, rows.values[folds[-1].test], quantile=0.999, seed=1)
    clear = (predict(pipeline, rows.values[folds[-1].test], classes=3).argmax(axis=1) == 2).mean()
    assert report.holdout.label_agreement == pytest.approx(clear)
    assert report.holdout.max_difference > 0.9
    assert report.disagreements[0].sklearn > report.disagreements[0].onnx


def test_feature_that_is_the_class_is_a_leak(model, prepared) -> None:
    rows, folds = prepared
    leaking = rows.values.copy()
    position = rows.names.index("Temperature")
    leaking[:, position] = rows.labels == NAMES.index("snow")
    report = measure_leaks(model, _with(rows, leaking), folds[-1])
    assert report.copies["Temperature"] == 1.0
    leaking[:, position] = np.array([7, 3, 5])[rows.labels]  # a code of the class: no order that a line could use
    report = measure_leaks(model, _with(rows, leaking), folds[-1])
    assert report.explained["Temperature"] == pytest.approx(1.0, abs=1e-6)
    honest = measure_leaks(model, rows, folds[-1])
    assert max(honest.explained.values()) < 0.6
    assert max(honest.copies.values()) < 0.5


def _with(rows, values):
    from dataclasses import replace

    return replace(rows, values=values)


def test_accuracy_cannot_choose_where_one_class_takes_nearly_all(frame) -> None:
    model = sky(train={"metric": "accuracy"})
    rare = frame.with_columns(
        pl.when(pl.int_range(pl.len()) % 25 > 1).then(pl.lit("clear")).otherwise("Weather").alias("Weather")
    )
    with pytest.raises(
        ConfigError, match=r"train.metric: accuracy cannot choose where 9\d.\d\d% of the labels are clear"
    ):
        prepare(model, rare, now=NOW)


def test_class_weights_raise_the_recall_of_the_rare_class(frame) -> None:
    """Only the declared parameter differs."""
    plain = {"estimator": "sklearn.linear_model.LogisticRegression", "scale": True, "params": {"C": 0.0005}}
    weighted = {**plain, "params": {"C": 0.0005, "class_weight": "balanced"}}
    model = sky(train={"candidates": {"plain": plain, "weighted": weighted}, "metric": "balanced_accuracy"})
    made = {
        name: train_candidate(model, frame, now=NOW, candidates=[name]).metrics.holdout
        for name in ("plain", "weighted")
    }
    assert made["weighted"]["worst_recall"] > made["plain"]["worst_recall"] + 0.1


def test_estimator_in_epochs_learns_classes(frame) -> None:
    network = {
        "estimator": "sklearn.neural_network.MLPClassifier",
        "scale": True,
        "params": {"hidden_layer_sizes": 8, "learning_rate_init": 0.01},
        "learning": {"epochs": 8},
    }
    model = sky(train={"candidates": {"network": network}})
    rows, folds = prepare(model, frame, now=NOW)
    pipeline, curve = fit_watched(model, "network", None, rows, folds[-1].train)
    assert curve.epochs[-1].train_loss < 0.6 * Loss(rows.labels.astype(np.int64)).base
    found = predict(pipeline, rows.values[folds[-1].test], classes=3)
    assert (found.argmax(axis=1) == rows.labels[folds[-1].test]).mean() > 0.8


def test_loss_of_classes_is_log_loss_and_its_base_that_of_the_shares() -> None:
    from sklearn.metrics import log_loss

    class Constant:
        classes_ = np.arange(3)

        def predict_proba(self, values):
            return np.tile([0.5, 0.3, 0.2], (len(values), 1))

    truth = np.array([0] * 5 + [1] * 3 + [2] * 2)
    loss = Loss(truth)
    expected = log_loss(truth, Constant().predict_proba(truth))
    assert loss.of(Constant(), truth[:, None], truth) == pytest.approx(expected)
    assert loss.base == pytest.approx(expected)
