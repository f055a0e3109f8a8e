"""Builds the scikit-learn pipeline of a candidate. Everything that is fitted is a step of it."""

import importlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.estimators import XGBOOST, check_estimator
from almanac.config.grammar.label_kind import NUMBER
from almanac.config.schema import Model
from almanac.config.sections.features import CategoryFeature
from almanac.config.sections.own.program import ProgramCandidate
from almanac.config.sections.search import Scalar
from almanac.config.sections.training import Candidate
from almanac.errors import ConfigError
from almanac.extras import extra
from almanac.features.categories import category_codes
from almanac.training.fit.listed_class import check_listed_class

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from almanac.training.fit.category_encoder import CategoryEncoder, EncodedColumn

ESTIMATOR_STEP = "estimator"
# The same rows give the same trees, whatever the number of threads; and no line per tree in the task's log.
_LIGHTGBM = {"deterministic": True, "force_row_wise": True, "verbosity": -1}


def choose_candidates(model: Model, names: Sequence[str] | None) -> tuple[str, ...]:
    """The candidates to choose from: those named, in the YAML's order, or all.

    Raises:
        ConfigError: a name is not declared, or the list is empty.
    """
    declared = tuple(model.train.candidates)
    if names is None:
        return declared
    unknown = [name for name in names if name not in declared]
    if unknown or not names:
        raise ConfigError(
            f"{model.name}: candidates: got {list(names)}, expected one or more of {list(declared)}. Correct the names"
        )
    return tuple(name for name in declared if name in names)


def effective_params(model: Model, name: str, overrides: Mapping[str, Scalar] | None = None) -> dict[str, Scalar]:
    """The estimator's parameters: those of the YAML, with `overrides` on top, and the seed where it takes one.

    Raises:
        ConfigError: the estimator does not know a parameter.
    """
    candidate = model.train.candidates[name]
    if isinstance(candidate, ProgramCandidate):
        return _params_of_program(model, name, candidate, overrides or {})
    fixed, kind = _fixed(candidate.estimator), _estimator_class(candidate)
    known = {**(kind([]).get_params(deep=False) if candidate.of else kind().get_params()), **fixed}
    known.pop("estimators", None)  # those of `of`
    params = {**fixed, **candidate.params, **(overrides or {})}
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise ConfigError(
            f"{model.name}: candidate {name} ({candidate.estimator}) has no parameters {unknown}; "
            f"it takes {sorted(known)}. Name another candidate, or correct the parameter"
        )
    if "random_state" in known:
        params.setdefault("random_state", model.train.seed)
    return params


def _params_of_program(
    model: Model, name: str, candidate: ProgramCandidate, overrides: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    known = {*candidate.params, *(candidate.search.space if candidate.search else ())}
    if unknown := sorted(set(overrides) - known):
        raise ConfigError(
            f"{model.name}: candidate {name} ({candidate.estimator}) has no parameters {unknown}; it declares"
            f" {sorted(known)}. Name another candidate, or declare the parameter"
        )
    return {**candidate.params, **overrides}


def build_pipeline(model: Model, name: str, overrides: Mapping[str, Scalar] | None = None) -> "Pipeline":
    """An unfitted pipeline: encoder of categories, imputer and scaler where they are declared, estimator.

    Raises:
        ConfigError: a parameter is unknown, or the estimator has no probabilities.
    """
    from sklearn.pipeline import Pipeline

    encoder = category_encoder(model)
    return Pipeline([*([] if encoder is None else [("categories", encoder)]), *_steps(model, name, overrides)])


def _steps(model: Model, name: str, overrides: Mapping[str, Scalar] | None) -> list[tuple[str, Any]]:
    """Imputer, scaler and estimator of a candidate. One that is made of others leaves the first two to each of them."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    candidate = model.train.estimators[name]
    params = effective_params(model, name, overrides)
    made_of = [[(member, Pipeline(_steps(model, member, None))) for member in candidate.of]] if candidate.of else []
    estimator = _estimator_class(candidate)(*made_of, **params)
    if model.label.kind is not NUMBER and not candidate.of and not hasattr(estimator, "predict_proba"):
        raise ConfigError(
            f"{model.name}: candidate {name} ({candidate.estimator}) has no probabilities with {params}. "
            "Set loss or probability so that it has, or choose another estimator"
        )
    steps: list[tuple[str, Any]] = []
    # keep_empty_features: a column without values must not silently narrow the matrix. No indicator columns here:
    # skl2onnx drops them silently. `{column: X, missing: true}` is a feature of its own.
    if candidate.impute != "none" and not candidate.of:
        strategy = "constant" if candidate.impute == "zero" else candidate.impute
        steps.append(("imputer", SimpleImputer(strategy=strategy, fill_value=0.0, keep_empty_features=True)))
    if candidate.scale:
        steps.append(("scaler", StandardScaler()))
    return [*steps, (ESTIMATOR_STEP, estimator)]


def _fixed(path: str) -> dict[str, Scalar]:
    """Parameters that are set unless the YAML sets them."""
    if path.startswith("lightgbm."):
        return dict(_LIGHTGBM)
    if path.startswith(f"{XGBOOST}."):
        return {"verbosity": 0}
    # votes are probabilities; skl2onnx writes no other form of the votes' matrix
    return {"voting": "soft", "flatten_transform": False} if path.endswith(".VotingClassifier") else {}


def category_encoder(model: Model) -> "CategoryEncoder | None":
    """An unfitted encoder; None: the model declares no category."""
    import polars as pl

    columns: list[EncodedColumn] = []
    position = 0
    for feature in model.features:
        if isinstance(feature, CategoryFeature):
            declared = {**model.dataset.columns, **model.joined}[feature.column].values
            columns.append(
                {
                    "position": position,
                    "encode": feature.encode,
                    "unknown": feature.unknown,
                    "min_rows": feature.min_rows,
                    "most": feature.most,
                    "order": category_codes(pl.Series(declared or (), dtype=pl.String)).to_list(),
                }
            )
        position += len(feature.names)
    if not columns:
        return None
    from almanac.training.fit.category_encoder import CategoryEncoder

    return CategoryEncoder(columns, model.label.class_count)


def members_of(estimator: Any) -> "list[Pipeline]":
    """The fitted pipelines that a voting or stacking estimator is made of; empty: it is no such one."""
    return list(estimator.estimators_) if hasattr(estimator, "named_estimators_") else []


def encoder_of(pipeline: "Pipeline") -> "CategoryEncoder | None":
    """The encoder of categories with which a pipeline begins; None: there is none."""
    first = pipeline[0]
    if type(first).__name__ != "CategoryEncoder":  # asked first, because the import is not free
        return None
    from almanac.training.fit.category_encoder import CategoryEncoder

    return first if isinstance(first, CategoryEncoder) else None


def _estimator_class(candidate: Candidate) -> Any:
    path, listed = candidate.estimator, candidate.listed
    module, _, name = (path if listed is not None else check_estimator(path)).rpartition(".")
    try:
        with extra(XGBOOST, path) if module == XGBOOST else nullcontext():
            kind = getattr(importlib.import_module(module), name)
    except (ImportError, OSError) as error:  # a shared library that is missing is an OSError
        raise ConfigError(
            f"{path} cannot be imported: {error}. Install the package with all that it needs (LightGBM on Debian:"
            " apt install libgomp1), or name another estimator"
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{path}: the module {module} has no {name}; correct it in _installation.yaml") from error
    if listed is not None:
        check_listed_class(path, kind, listed)
    return kind
