"""Boosted trees: how many there are is seen on the newest training rows, and more are added to a champion's."""

from typing import TYPE_CHECKING, Any

from almanac.config.sections.learning import EarlyStopping
from almanac.training.fit.epoch import Epoch
from almanac.training.fit.learning import Curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from almanac.training.fit.learning import Rows


def fit_until_no_better(pipeline: "Pipeline", stopping: EarlyStopping, teaching: "Rows", measuring: "Rows") -> Curve:
    """Fit the pipeline on the older rows; its estimator has as many trees as predict the newer ones best.

    Args:
        pipeline: unfitted; its last step is one of LightGBM's.
        stopping: after how many trees without a better loss it ends.
        teaching: values and labels of the older rows.
        measuring: values and labels of the newer rows.

    Returns:
        The loss on both after each tree.
    """
    from lightgbm import early_stopping

    values, labels = pipeline[:-1].fit_transform(*teaching) if len(pipeline) > 1 else teaching[0], teaching[1]
    later = pipeline[:-1].transform(measuring[0]) if len(pipeline) > 1 else measuring[0]
    estimator = pipeline[-1].fit(
        values,
        labels,
        eval_set=[(values, labels), (later, measuring[1])],
        eval_names=["training", "later"],
        callbacks=[early_stopping(stopping.rounds, first_metric_only=True, verbose=False)],
    )
    found = estimator.evals_result_
    first = next(iter(found["later"]))
    epochs = (Epoch(train, test) for train, test in zip(found["training"][first], found["later"][first], strict=True))
    return Curve(tuple(epochs), max(estimator.best_iteration_, 1) - 1)


def add_trees(estimator: Any, values: "NDArray[np.float32]", labels: "NDArray[Any]") -> Any:
    """A copy of a fitted estimator with as many more trees as it declares, which correct it on these rows."""
    from sklearn.base import clone

    return clone(estimator).fit(values, labels, init_model=estimator.booster_)
