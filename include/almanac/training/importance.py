"""What an estimator itself says of its features: how much each one splits or weighs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.config.sections.features import TextFeature
from almanac.training.fit.candidates import encoder_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


def native_importance(model: Model, pipeline: "Pipeline") -> Mapping[str, float]:
    """The share of each feature in the estimator's own importances, the largest first; empty where it has none.

    Of trees what their splits gain, of linear estimators the size of the weights, of several classes summed. What was
    encoded from one feature, and the columns of one text, are added up. Weights can be compared where the columns are
    scaled.
    """
    import numpy as np

    found = _of_columns(pipeline[-1])
    if found is None or not np.isfinite(found).all() or not found.sum() > 0:
        return {}
    encoder = encoder_of(pipeline)
    sources = np.arange(len(found)) if encoder is None else encoder.sources()
    names = [
        feature.text if isinstance(feature, TextFeature) else name
        for feature in model.features
        for name in feature.names
    ]
    shares: dict[str, float] = {}
    for source, one in zip(sources.tolist(), (found / found.sum()).tolist(), strict=True):
        shares[names[source]] = shares.get(names[source], 0.0) + one
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def _of_columns(estimator: Any) -> "NDArray[np.float64] | None":
    import numpy as np

    if hasattr(estimator, "booster_"):
        return np.asarray(estimator.booster_.feature_importance(importance_type="gain"), np.float64)
    if (trees := getattr(estimator, "feature_importances_", None)) is not None:
        return np.asarray(trees, np.float64)
    weights = getattr(estimator, "coef_", None)
    if weights is None:
        return None
    summed: NDArray[np.float64] = np.abs(np.atleast_2d(np.asarray(weights, np.float64))).sum(axis=0)
    return summed
