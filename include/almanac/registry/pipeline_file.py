"""The scikit-learn pipeline as a skops file: loading it runs no code from the file, unlike a pickle."""

from typing import TYPE_CHECKING

from almanac.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Types of the allowed estimators and of our own step, besides skops' own safe types. No other type is loaded.
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
)


def dump_pipeline(pipeline: "Pipeline") -> bytes:
    """Write the pipeline.

    Raises:
        ConfigError: it holds a type that cannot be loaded again.
    """
    import skops.io as sio

    content: bytes = sio.dumps(pipeline)
    unknown = _unknown_types(content)
    if unknown:
        raise ConfigError(
            f"{type(pipeline[-1]).__name__} holds types {unknown} that include/almanac/registry/pipeline_file.py does "
            "not trust. Add them there if they are harmless"
        )
    return content


def load_pipeline(content: bytes) -> "Pipeline":
    """Read a pipeline.

    Raises:
        IntegrityError: the file holds a type that is not trusted.
    """
    import skops.io as sio

    unknown = _unknown_types(content)
    if unknown:
        raise IntegrityError(f"pipeline file: got types {unknown}, expected only {list(TRUSTED_TYPES)}. Do not load it")
    return sio.loads(content, trusted=list(TRUSTED_TYPES))


def _unknown_types(content: bytes) -> list[str]:
    import skops.io as sio

    return sorted(set(sio.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
