"""LightGBM candidates: unknown values need no imputer, the graph predicts the same, and the pipeline comes back."""

import subprocess
import sys

import lightgbm
import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import boundary_rows, check_parity
from almanac.training.export.split_borders import SplitBorders
from almanac.training.fit import candidates as module
from almanac.training.fit.candidates import build_pipeline, effective_params
from almanac.training.fit.fitting import fit, predict
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

BOOSTED = {"estimator": "lightgbm.LGBMClassifier", "scale": False, "impute": "none", "params": {"n_estimators": 30}}


@pytest.fixture(scope="module")
def gaps(frame: pl.DataFrame) -> pl.DataFrame:
    """Every tenth humidity and pressure is unknown."""
    nowhere = pl.int_range(pl.len()) % 10 == 0
    return frame.with_columns(
        pl.when(~nowhere).then(pl.col(name)).alias(name) for name in ("Humidity", "Pressure_millibars")
    )


@pytest.fixture
def boosted(small, change):
    return change(small, "train", candidates={"boosted": BOOSTED})


@pytest.fixture
def fitted(boosted, gaps):
    rows = labelled_rows(boosted, gaps[:2000], now=NOW)
    return fit(boosted, "boosted", None, rows, np.arange(len(rows))), rows


def test_boosted_candidate_with_unknown_values_has_no_imputer_and_its_graph_agrees(boosted, fitted) -> None:
    pipeline, rows = fitted
    assert list(pipeline.named_steps) == ["estimator"]
    assert np.isnan(rows.values).any()
    onnx = export_onnx(boosted, pipeline, rows.names)
    report = check_parity(pipeline, onnx, rows.values[:1000], quantile=0.999, seed=1)
    assert report.family == "trees"
    assert report.holdout.max_difference <= 1e-6
    for part in (report.holdout, report.boundary):
        assert part.label_agreement >= 0.999
        assert part.quantile_difference <= 1e-5


def test_boosted_graph_takes_an_empty_batch_and_a_threshold(boosted, fitted) -> None:
    pipeline, rows = fitted
    graph = OnnxModel(export_onnx(boosted, pipeline, rows.names, threshold=0.3))
    assert graph.predict(rows.values[:0]).shape == (0,)
    label, both = graph.run(rows.values)
    np.testing.assert_array_equal(label, both[:, 1] >= np.float32(0.3))
    assert (both[label == 1, 1] < 0.5).sum() > 0


def test_boosted_boundary_rows_lie_at_its_splits(fitted) -> None:
    pipeline, rows = fitted
    borders = SplitBorders(pipeline, rows.values.shape[1])
    points = borders.points()
    nodes = pipeline[-1].booster_.trees_to_dataframe()
    assert len(points) == len(nodes.dropna(subset=["split_feature"])[["split_feature", "threshold"]].drop_duplicates())
    tried = boundary_rows(pipeline, rows.values, seed=1)
    column, value = int(points[0, 0]), np.float32(points[0, 1])
    assert (tried[:, column] == value).any()
    on = rows.values[:1].copy()
    on[0, column] = value
    assert borders.nearest(on)[0] >= 0
    assert borders.nearest(np.full_like(on, np.nan))[0] == -1  # an unknown value lies on no border


def test_boosted_pipeline_comes_back_from_its_file(fitted) -> None:
    pipeline, rows = fitted
    back = load_pipeline(dump_pipeline(pipeline))
    np.testing.assert_array_equal(predict(back, rows.values), predict(pipeline, rows.values))


def test_boosted_candidate_is_the_same_with_one_thread_and_with_two(boosted, gaps) -> None:
    rows = labelled_rows(boosted, gaps[:2000], now=NOW)
    one, two = (fit(boosted, "boosted", {"n_jobs": jobs}, rows, np.arange(len(rows))) for jobs in (1, 2))
    np.testing.assert_array_equal(predict(one, rows.values), predict(two, rows.values))
    assert {"deterministic": True, "verbosity": -1}.items() <= effective_params(boosted, "boosted").items()


def test_boosted_candidate_is_trained_measured_and_exported(boosted, gaps) -> None:
    made = train_candidate(boosted, gaps, now=NOW)
    assert made.selection.name == "boosted"
    assert made.metrics.holdout["accuracy"] > made.metrics.baselines["majority"]["accuracy"]
    assert made.parity.holdout.label_agreement >= 0.999


@pytest.mark.parametrize(
    "estimator", ["sklearn.linear_model.LogisticRegression", "sklearn.ensemble.ExtraTreesClassifier"]
)
def test_impute_none_of_an_estimator_that_refuses_unknown_values_is_refused(small, change, estimator) -> None:
    with pytest.raises(ValidationError, match=r"impute: none needs an estimator that takes unknown values.*LGBM"):
        change(small, "train", candidates={"one": {"estimator": estimator, "scale": True, "impute": "none"}})


def test_hist_gradient_boosting_is_refused_with_what_converts(small, change) -> None:
    path = "sklearn.ensemble.HistGradientBoostingClassifier"
    with pytest.raises(ValidationError, match=r"cannot convert .*; expected lightgbm.LGBMClassifier"):
        change(small, "train", candidates={"one": {"estimator": path, "scale": False}})


def test_parameter_that_lightgbm_refuses_is_an_error_of_the_candidate(boosted, gaps) -> None:
    rows = labelled_rows(boosted, gaps[:500], now=NOW)
    with pytest.raises(ConfigError, match=r"candidate boosted cannot be fitted: .*num_leaves"):
        fit(boosted, "boosted", {"num_leaves": 1}, rows, np.arange(len(rows)))


def test_library_that_cannot_be_loaded_is_named_with_what_to_install(boosted, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(module.importlib, "import_module", broken)
    with pytest.raises(ConfigError, match=r"lightgbm.LGBMClassifier cannot be imported: libgomp.*apt install libgomp1"):
        build_pipeline(boosted, "boosted")


def test_declaration_that_names_lightgbm_imports_nothing_of_it() -> None:
    code = "import sys; import almanac.config.schema, almanac.training.fit.fitting; print('lightgbm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), lightgbm.__name__) == ("False", "lightgbm")
