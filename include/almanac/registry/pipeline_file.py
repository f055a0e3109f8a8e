"""The scikit-learn pipeline as a skops file: loading it runs no code from the file, unlike a pickle."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from almanac.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Types of the allowed estimators and of our own step, besides skops' own safe types. No other type is loaded, but for
# those that `estimators` of `_installation.yaml` names.
TRUSTED_TYPES = (
    "almanac.training.fit.category_encoder.CategoryEncoder",
    "almanac.training.fit.graph_estimator.GraphClassifier",
    "almanac.training.fit.graph_estimator.GraphRegressor",
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)


def dump_pipeline(pipeline: "Pipeline", more: Collection[str] = ()) -> bytes:
    """Write the pipeline.

    Args:
        pipeline: fitted.
        more: types that the installation's list trusts, `train.trusted_types` of the model.

    Raises:
        ConfigError: it holds a type that cannot be loaded again.
    """
    import skops.io as sio

    content: bytes = sio.dumps(pipeline)
    if unknown := _unknown_types(content, more):
        raise ConfigError(
            f"{type(pipeline[-1]).__name__} holds types {unknown} that are not trusted, so that it could not be loaded"
            " again. If they are harmless, add them to `trusted_types` of the estimator in _installation.yaml"
        )
    return content


def load_pipeline(content: bytes, more: Collection[str] = ()) -> "Pipeline":
    """Read a pipeline.

    Args:
        content: the file.
        more: types that the installation's list trusts.

    Raises:
        IntegrityError: the file holds a type that is not trusted.
    """
    import skops.io as sio

    trusted = [*TRUSTED_TYPES, *more]
    if unknown := _unknown_types(content, more):
        raise IntegrityError(f"pipeline file: got types {unknown}, expected only {trusted}. Do not load it")
    return sio.loads(content, trusted=trusted)


def _unknown_types(content: bytes, more: Collection[str]) -> list[str]:
    import skops.io as sio

    return sorted(set(sio.get_untrusted_types(data=content)) - {*TRUSTED_TYPES, *more})
