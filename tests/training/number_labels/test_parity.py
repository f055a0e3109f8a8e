"""Graphs of regressors say what the regressors say."""

import numpy as np
import polars as pl
import pytest

from almanac.config.grammar.estimators import ALLOWED_REGRESSORS, ENSEMBLES
from almanac.registry.onnx_model import OnnxModel
from almanac.release.gates import Evaluation, judge
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import check_parity
from almanac.training.fit.fitting import fit
from tests.release.gates.evaluations import refused
from tests.training.number_labels.load import LOAD, NOW, load_yaml


@pytest.mark.parametrize("estimator", sorted(ALLOWED_REGRESSORS - ENSEMBLES))
def test_parity_allowed_regressor_agrees_on_hard_rows(model, frame, estimator) -> None:
    scale = not any(part in estimator for part in (".ensemble.", ".tree.", "lightgbm.", "xgboost."))
    declared = load_yaml(LOAD, train={"candidates": {"one": {"estimator": estimator, "scale": scale}}})
    rows = labelled_rows(declared, frame[:1500], now=NOW)
    chosen = np.arange(1000)
    overrides = {"n_estimators": 10} if estimator.startswith("sklearn.ensemble") else {}
    pipeline = fit(declared, "one", overrides, rows, chosen)
    graph = export_onnx(declared, pipeline, rows.names)
    report = check_parity(pipeline, graph, rows.values[1000:], quantile=0.999, seed=1)
    results = refused(judge(declared, Evaluation(pl.DataFrame(), report)))
    assert [name for name in results if name.startswith("parity")] == [], results
    served = OnnxModel(graph)
    assert served.is_number
    assert served.features == rows.names
    assert served.predict(np.empty((0, len(rows.names)), np.float32)).shape == (0,)
    assert np.isfinite(served.predict(np.full((1, len(rows.names)), np.nan, np.float32))).all()


def test_parity_of_a_graph_that_says_other_numbers_is_refused(model, frame) -> None:
    rows = labelled_rows(model, frame[:1500], now=NOW)
    pipelines = [fit(model, "forest", {"max_depth": depth}, rows, np.arange(1000)) for depth in (8, 7)]
    graph = export_onnx(model, pipelines[1], rows.names)
    report = check_parity(pipelines[0], graph, rows.values[1000:], quantile=0.999, seed=1)
    results = refused(judge(model, Evaluation(pl.DataFrame(), report)))
    assert "parity[holdout labels]" in results
    assert "parity[disagreements]" in results
