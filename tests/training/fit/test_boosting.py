"""LightGBM: trees are added until newer rows are predicted no better, and to a champion's on new rows."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.export.export import export_onnx
from almanac.training.fit.continuation import Parent, continuation_problems, continue_champion, new_rows
from almanac.training.fit.fitting import fit_watched, predict
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

BOOSTED = {
    "estimator": "lightgbm.LGBMClassifier",
    "scale": False,
    "impute": "none",
    "params": {"n_estimators": 400, "learning_rate": 0.3, "n_jobs": 1},
}
STOPPED = {**BOOSTED, "early_stopping": {"rounds": 5, "validation": 0.2}}
FEW = {**BOOSTED, "params": {"n_estimators": 15, "n_jobs": 1}}
END = 5000  # hours: the four folds, a thousand rows before them, and 45 days that come later
OLD = END - 24 * 45


@pytest.fixture(scope="module")
def declare(small, change):
    return lambda candidate: change(small, "train", candidates={"boosted": candidate})


def test_trees_end_where_the_newest_rows_are_predicted_best_and_the_graph_has_no_more(declare, frame) -> None:
    model = declare(STOPPED)
    rows = labelled_rows(model, frame[:3000], now=NOW)
    pipeline, curve = fit_watched(model, "boosted", None, rows, np.arange(len(rows)))
    losses = [epoch.validation_loss for epoch in curve.epochs]
    assert curve.kept == int(np.argmin(losses)) < 399
    assert len(losses) == curve.kept + 1 + 5
    assert curve.epochs[-1].train_loss < curve.epochs[0].train_loss
    again = load_pipeline(dump_pipeline(pipeline))
    graph = OnnxModel(export_onnx(model, again, rows.names))
    np.testing.assert_allclose(graph.predict(rows.values), predict(pipeline, rows.values), atol=1e-6)


def test_rows_that_measure_are_the_newest_and_train_no_tree(declare, frame) -> None:
    model = declare(STOPPED)
    rows = labelled_rows(model, frame[:3000], now=NOW)
    pipeline, _ = fit_watched(model, "boosted", None, rows, np.arange(len(rows)))
    rows.values[-100:] = 1e6  # whatever stands there: the first tree is the same
    other, _ = fit_watched(model, "boosted", None, rows, np.arange(len(rows)))
    first, same = (one[-1].booster_.predict(rows.values[:500], num_iteration=1) for one in (pipeline, other))
    np.testing.assert_array_equal(first, same)


@pytest.fixture(scope="module")
def champion(declare, frame: pl.DataFrame) -> Parent:
    model = declare(FEW)
    trained = train_candidate(model, frame[:OLD], now=NOW)
    return Parent(
        version="1",
        declared=model,
        selection=trained.selection,
        train_start=trained.data.train_start,
        train_end=trained.data.train_end,
        pipeline=load_pipeline(dump_pipeline(trained.pipeline)),
    )


def test_champion_is_continued_by_more_trees_on_new_rows_alone(declare, frame, champion) -> None:
    model, parent = declare(FEW), champion
    rows = labelled_rows(model, frame[:END], now=NOW)
    holdout = split(model, rows.times)[-1]
    assert continuation_problems(model, parent, holdout, rows.times) == []
    chosen = new_rows(parent, holdout, rows.times)
    pipeline = continue_champion(parent, rows, chosen)
    assert (parent.pipeline[-1].booster_.num_trees(), pipeline[-1].booster_.num_trees()) == (15, 30)
    before, after = (predict(one, rows.values[chosen]) for one in (parent.pipeline, pipeline))
    truth = rows.labels[chosen]
    assert np.mean((after - truth) ** 2) < np.mean((before - truth) ** 2)
    graph = OnnxModel(export_onnx(model, pipeline, rows.names))
    np.testing.assert_allclose(graph.predict(rows.values[-500:]), predict(pipeline, rows.values[-500:]), atol=1e-6)


def test_new_rows_of_one_label_add_no_trees(declare, frame, champion) -> None:
    rows = labelled_rows(declare(FEW), frame[:END], now=NOW)
    with pytest.raises(ConfigError, match="none of the 50 new rows has the label 1"):
        continue_champion(champion, rows, np.flatnonzero(rows.labels == 0)[:50])


def test_early_stopping_of_other_estimators_is_refused(declare) -> None:
    with pytest.raises(ValidationError, match=r"early_stopping needs one of .*lightgbm"):
        declare({"estimator": "sklearn.linear_model.SGDClassifier", "scale": True, "early_stopping": {}})
