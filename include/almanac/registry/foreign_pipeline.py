"""Reads a scikit-learn pipeline that somebody else has logged in MLflow. Only skops files: a pickle runs code."""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from almanac.errors import ConfigError, RegistryError
from almanac.registry.errors import is_missing, mlflow_errors
from almanac.registry.pipeline_file import load_pipeline

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from almanac.registry.store import Registry

_SKOPS = "skops"
_HOW = 'Log it with mlflow.sklearn.log_model(..., serialization_format="skops")'


def load_foreign_pipeline(
    registry: "Registry", mlflow_run_id: str, artifact: str, more: Collection[str] = ()
) -> "Pipeline":
    """The fitted pipeline of an MLflow run; a single estimator becomes a pipeline of one step.

    Args:
        registry: holds the run.
        mlflow_run_id: of the run.
        artifact: the name under which it was logged by `mlflow.sklearn`.
        more: types that the installation's list of estimators trusts.

    Raises:
        RegistryError: there is no such run, or it has logged no model of this name.
        ConfigError: the file is a pickle, or no estimator of scikit-learn.
        IntegrityError: the file holds types that are not trusted.
        TransientError: MLflow is not available.
    """
    where = f"MLflow run {mlflow_run_id}: {artifact}"
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder, mlflow_errors(where):
        registry.client.get_run(mlflow_run_id)
        content = _read(registry, f"runs:/{mlflow_run_id}/{artifact}", Path(folder), where)
    return _as_pipeline(load_pipeline(content, more), where)


def _read(registry: "Registry", uri: str, folder: Path, where: str) -> bytes:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        found = Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=registry.tracking_uri))
        declared = yaml.safe_load((found / "MLmodel").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, MlflowException) as error:
        if isinstance(error, MlflowException) and not is_missing(error):
            raise
        raise RegistryError(
            f"{where}: no model of MLflow is logged under this name; got {str(error)[:200]}, expected what"
            " mlflow.sklearn.log_model writes. Check `artifact`"
        ) from error
    flavor: dict[str, Any] = (declared or {}).get("flavors", {}).get("sklearn", {})
    if not flavor:
        raise ConfigError(f"{where}: not a model of scikit-learn; got {sorted((declared or {}).get('flavors', {}))}")
    if flavor.get("serialization_format") != _SKOPS:
        raise ConfigError(
            f"{where}: is written as {flavor.get('serialization_format')!r}, expected {_SKOPS!r}: loading a pickle runs"
            f" code from the file. {_HOW}"
        )
    return (found / str(flavor["pickled_model"])).read_bytes()


def _as_pipeline(fitted: Any, where: str) -> "Pipeline":
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline, make_pipeline

    if isinstance(fitted, Pipeline):
        return fitted
    if not isinstance(fitted, BaseEstimator):
        raise ConfigError(f"{where}: got a {type(fitted).__name__}, expected a fitted estimator of scikit-learn")
    return make_pipeline(fitted)
