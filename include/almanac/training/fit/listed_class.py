"""Whether a class that the installation's list names is what the list says; looked at when a training imports it."""

import inspect
from typing import Any

from almanac.config.grammar.allowed_estimator import AllowedEstimator
from almanac.errors import ConfigError


def check_listed_class(path: str, kind: Any, listed: AllowedEstimator) -> None:
    """Refuse what is no estimator of the declared kind, or has no converter to ONNX.

    Args:
        path: as the list names it.
        kind: what was imported.
        listed: what the list says of it.

    Raises:
        ConfigError: it cannot compete.
    """
    from skl2onnx import get_model_alias
    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    where = f"_installation.yaml: estimators.{path}"
    if not (inspect.isclass(kind) and issubclass(kind, BaseEstimator)):
        raise ConfigError(
            f"{where}: got {type(kind).__name__} {kind!r:.100}, expected a class of scikit-learn estimators"
        )
    try:
        made = kind()
    except TypeError as error:
        raise ConfigError(
            f"{where}: cannot be made without arguments: {error}. Almanac sets parameters by name"
        ) from error
    is_kind = is_regressor(made) if listed.predicts == "number" else is_classifier(made)
    if not is_kind:
        found = next(
            (word for test, word in ((is_classifier, "classes"), (is_regressor, "number")) if test(made)), "neither"
        )
        raise ConfigError(
            f"{where}: predicts: got {listed.predicts!r}, and the class predicts {found}. Correct the list"
        )
    try:
        get_model_alias(kind)
    except RuntimeError as error:
        raise ConfigError(
            f"{where}: skl2onnx has no converter for it, so no version of it could be served. Remove it from the list;"
            " a training program that writes its own ONNX graph can use it (docs/training-programs.md)"
        ) from error
