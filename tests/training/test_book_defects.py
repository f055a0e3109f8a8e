"""The faults of a published example, each as a test that fails if it comes back.

Source: the port-of-Turku example of a book on MLOps: its label lies in the past, its scaler is fitted again at
inference, its graph is declared six wide for seven features, its rows are split at random over time, it logs the
parameters of an estimator that its search did not touch, its yes and no are exchanged, duplicates move its windows.
"""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.registry.onnx_model import OnnxModel
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.train import train_candidate
from tests.training.conftest import NOW


@pytest.fixture(scope="module")
def seven(small, change):
    """Seven features, and a search over a logistic regression."""
    search = {"kind": "grid", "space": {"C": [1e-6, 3.0]}}
    params = {"max_iter": 500, "C": 1e-6}
    logistic = {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "scale": True,
        "params": params,
        "search": search,
    }
    model = change(small, "train", candidates={"logistic": logistic})
    return model.model_copy(update={"features": model.features[:7]})


@pytest.fixture(scope="module")
def candidate(seven, frame):
    return train_candidate(seven, frame, now=NOW)


@pytest.fixture(scope="module")
def holdout(seven, frame):
    rows = labelled_rows(seven, frame, now=NOW)
    return rows.values[split(seven, rows.times)[-1].test], rows.labels[split(seven, rows.times)[-1].test]


def test_label_is_not_of_the_past(seven, frame) -> None:
    rain = frame["Weather_conditions"] == "rain"
    known = labels(seven, frame, now=NOW).cast(pl.Boolean)
    assert (known[:-4] == rain[4:]).all()
    assert not (known[4:-4] == rain[:-8]).all()


def test_scaler_is_not_fitted_at_inference(candidate, holdout) -> None:
    graph, values = OnnxModel(candidate.onnx), holdout[0]
    alone = np.array([graph.predict(values[row : row + 1])[0] for row in range(50)])
    np.testing.assert_allclose(alone, graph.predict(values[:50]), atol=1e-6)
    assert alone.std() > 0.05  # a scaler that was fitted on one row would make all rows zero, and equal


def test_graph_is_as_wide_as_the_features(candidate, holdout) -> None:
    graph = OnnxModel(candidate.onnx)
    assert len(graph.features) == len(candidate.features) == holdout[0].shape[1] == 7
    with pytest.raises(DataError, match=r"got \(720, 6\), expected \[n, 7\]"):
        graph.predict(holdout[0][:, :6])


def test_rows_are_not_split_at_random_over_time(seven, frame) -> None:
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    rows = labelled_rows(seven, shuffled, now=NOW)
    for fold in split(seven, rows.times):
        assert rows.times[fold.train].max() < rows.times[fold.test].min()
        assert (np.diff(fold.test) == 1).all()


def test_parameters_that_are_reported_are_those_of_the_fitted_estimator(candidate) -> None:
    fitted = candidate.pipeline[-1].get_params()
    assert candidate.selection.params.items() <= fitted.items()
    assert fitted["C"] == 3.0  # found; 1e-6 was declared


def test_output_is_not_inverted(candidate, holdout) -> None:
    values, truth = holdout
    text = OnnxModel(candidate.onnx).predict(values)
    assert text[truth == 1].mean() > text[truth == 0].mean() + 0.2
    assert candidate.metrics.holdout["roc_auc"] > 0.8


def test_duplicates_do_not_move_windows(seven, frame) -> None:
    hours = frame[:200]
    doubled = pl.concat([hours[:100], hours[50:60], hours[100:]])
    with pytest.raises(DataError, match="10 rows have the key of another row"):
        build_features(seven, doubled)
    once = doubled.unique("Timestamp", keep="first", maintain_order=True)
    np.testing.assert_array_equal(build_features(seven, once).values, build_features(seven, hours).values)


def test_missing_hours_do_not_move_windows(seven, frame) -> None:
    hours = frame[:200]
    gap = pl.col("Timestamp").is_between(hours["Timestamp"][80], hours["Timestamp"][89])
    holed = hours.filter(~gap)
    after = pl.col("Timestamp") >= hours["Timestamp"][90] + timedelta(hours=3)
    whole, left = (build_features(seven, each).values[each.select(after).to_series()] for each in (hours, holed))
    np.testing.assert_array_equal(whole, left)
