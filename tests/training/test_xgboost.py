"""XGBoost candidates, of the extra `xgboost`: unknown values need no imputer, the graph agrees, the file comes back."""

import numpy as np
import pytest

from almanac.config.sections.training import Candidate
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import boundary_rows, check_parity
from almanac.training.export.split_borders import SplitBorders
from almanac.training.fit.fitting import fit, predict
from almanac.training.importance import native_importance
from almanac.training.train import train_candidate
from tests.training.class_labels.sky import NOW as SKY_NOW
from tests.training.class_labels.sky import make_sky, sky
from tests.training.conftest import NOW
from tests.training.number_labels.load import HOURS, LOAD, load_yaml, make_load
from tests.training.number_labels.load import NOW as LOAD_NOW
from tests.training.test_boosted_trees import gaps  # noqa: F401 - a fixture

PARAMS = {"n_estimators": 30, "n_jobs": 1}
CLASSIFIER = {"estimator": "xgboost.XGBClassifier", "scale": False, "impute": "none", "params": PARAMS}
REGRESSOR = CLASSIFIER | {"estimator": "xgboost.XGBRegressor"}


@pytest.fixture
def fitted(small, change, gaps):  # noqa: F811
    model = change(small, "train", candidates={"boosted": CLASSIFIER})
    rows = labelled_rows(model, gaps[:2000], now=NOW)
    return model, fit(model, "boosted", None, rows, np.arange(len(rows))), rows


def test_graph_agrees_also_on_unknown_values_and_on_splits(fitted) -> None:
    model, pipeline, rows = fitted
    assert list(pipeline.named_steps) == ["estimator"]
    assert np.isnan(rows.values).any()
    onnx = export_onnx(model, pipeline, rows.names)
    report = check_parity(pipeline, onnx, rows.values[:1000], quantile=0.999, seed=1)
    assert report.family == "trees"
    assert report.holdout.max_difference <= 1e-6
    for part in (report.holdout, report.boundary):
        assert part.label_agreement == 1.0
    graph = OnnxModel(export_onnx(model, pipeline, rows.names, threshold=0.3))
    assert graph.predict(rows.values[:0]).shape == (0,)
    label, both = graph.run(rows.values)
    np.testing.assert_array_equal(label, both[:, 1] >= np.float32(0.3))


def test_boundary_rows_lie_at_its_splits(fitted) -> None:
    _, pipeline, rows = fitted
    points = SplitBorders(pipeline, rows.values.shape[1]).points()
    nodes = pipeline[-1].get_booster().trees_to_dataframe()
    assert len(points) == len(nodes[nodes["Feature"] != "Leaf"][["Feature", "Split"]].drop_duplicates())
    column, value = int(points[0, 0]), np.float32(points[0, 1])
    assert (boundary_rows(pipeline, rows.values, seed=1)[:, column] == value).any()


def test_pipeline_comes_back_from_its_file_and_says_its_importances(fitted) -> None:
    model, pipeline, rows = fitted
    back = load_pipeline(dump_pipeline(pipeline))
    np.testing.assert_array_equal(predict(back, rows.values), predict(pipeline, rows.values))
    assert sum(native_importance(model, pipeline).values()) == pytest.approx(1)


def only(model, declared):
    """The model with this candidate alone."""
    candidates = {"boosted": Candidate.model_validate(declared)}
    return model.model_copy(update={"train": model.train.model_copy(update={"candidates": candidates})})


def test_classes_are_trained_and_pass_parity() -> None:
    made = train_candidate(only(sky(), CLASSIFIER), make_sky(24 * 160), now=SKY_NOW)
    assert made.parity.holdout.label_agreement == 1.0
    assert made.metrics.holdout["f1_macro"] > 0.6


def test_numbers_are_trained_and_pass_parity() -> None:
    made = train_candidate(only(load_yaml(LOAD), REGRESSOR), make_load(HOURS), now=LOAD_NOW)
    assert made.parity.holdout.max_difference <= 1e-5  # in standard deviations
    assert made.metrics.holdout["rmse"] < made.metrics.baselines["mean"]["rmse"]
