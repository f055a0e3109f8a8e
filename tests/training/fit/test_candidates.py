"""Candidates are built from the YAML, the overrides and the seed, and from nothing else."""

import numpy as np
import pytest

from almanac.errors import ConfigError
from almanac.registry.onnx_model import predict_onnx
from almanac.training.export.export import export_onnx
from almanac.training.fit.candidates import build_pipeline, choose_candidates, effective_params


def test_effective_params_overrides_lie_on_the_yaml_and_the_seed_is_set(small) -> None:
    params = effective_params(small, "forest", {"max_depth": 1})
    assert params == {"n_estimators": 10, "max_depth": 1, "random_state": small.train.seed}


def test_build_pipeline_estimator_has_exactly_the_effective_params(small) -> None:
    pipeline = build_pipeline(small, "forest", {"max_depth": 1})
    assert effective_params(small, "forest", {"max_depth": 1}).items() <= pipeline[-1].get_params().items()


def test_effective_params_unknown_override_names_candidate_and_parameter(small) -> None:
    with pytest.raises(ConfigError, match=r"candidate logistic .*has no parameters \['max_depth'\]"):
        effective_params(small, "logistic", {"max_depth": 1})


@pytest.mark.parametrize("names", [["forrest"], []])
def test_choose_candidates_unknown_or_none_refuses(small, names: list[str]) -> None:
    with pytest.raises(ConfigError, match="expected one or more of"):
        choose_candidates(small, names)


def test_choose_candidates_keeps_the_order_of_the_yaml(small) -> None:
    assert choose_candidates(small, ["forest", "logistic"]) == ("logistic", "forest")
    assert choose_candidates(small, None) == ("logistic", "forest", "blind")


def test_build_pipeline_scales_only_where_declared(small) -> None:
    assert list(build_pipeline(small, "logistic").named_steps) == ["imputer", "scaler", "estimator"]
    assert list(build_pipeline(small, "forest").named_steps) == ["imputer", "estimator"]


@pytest.mark.parametrize(("impute", "filled"), [("median", 2.0), ("mean", 4.0), ("most_frequent", 1.0), ("zero", 0.0)])
def test_build_pipeline_imputes_from_the_training_rows_and_so_does_the_graph(small, change, impute, filled) -> None:
    model = change(small, "train.candidates.logistic", impute=impute, scale=False)
    values = np.array([[1], [1], [2], [3], [13]], dtype=np.float32)
    pipeline = build_pipeline(model, "logistic").fit(values, np.arange(5) % 2)
    unknown, known = np.array([[np.nan]], np.float32), np.array([[filled]], np.float32)
    graph = export_onnx(model, pipeline, ("one",))
    assert pipeline[0].transform(unknown) == filled
    np.testing.assert_array_equal(predict_onnx(graph, unknown), predict_onnx(graph, known))


def test_build_pipeline_without_probabilities_refuses(small, change) -> None:
    model = change(
        small,
        "train.candidates.logistic",
        estimator="sklearn.linear_model.SGDClassifier",
        params={"loss": "hinge"},
    )
    with pytest.raises(ConfigError, match="has no probabilities"):
        build_pipeline(model, "logistic")


def test_build_pipeline_column_without_values_keeps_the_width(small) -> None:
    values = np.column_stack([np.full(20, np.nan), np.arange(20)]).astype(np.float32)
    pipeline = build_pipeline(small, "forest").fit(values, np.arange(20) % 2)
    assert pipeline[:-1].transform(values).shape == (20, 2)
