"""The borders at which predictions jump: splits of trees, and ties of neighbours."""

from typing import TYPE_CHECKING, Any

from almanac.training.export.xgboost_graph import xgboost_splits
from almanac.training.fit.candidates import encoder_of, members_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

_ROUNDINGS = 4.0  # number of float32 roundings between a value and its comparison with a split
_NEIGHBOUR_ROUNDING = 1e-5  # a distance in float32 is the root of a sum of squares


class SplitBorders:
    """The splits of a pipeline's trees, by column; none without trees.

    None either where a step before them is no encoder of ours, no imputer and no scaler: it may make columns of its
    own, so that a split cannot be traced to a column of the input.

    Args:
        pipeline: fitted; its encoder, imputer and scaler, where it has them, come before the splits.
        width: number of columns of its input.
    """

    def __init__(self, pipeline: "Pipeline", width: int) -> None:
        import numpy as np

        self._encoder = encoder_of(pipeline)
        self._sources = np.arange(width)
        if self._encoder is not None:
            self._sources = self._encoder.sources()
            pipeline, width = pipeline[1:], len(self._sources)
        imputer, scaler, traced = _steps_before(pipeline)
        found = _splits(pipeline[-1]) if traced else []
        splits = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2))
        self._splits = splits[splits[:, 0] < width]
        self._mean = np.zeros(width) if scaler is None or scaler.mean_ is None else scaler.mean_
        self._scale = np.ones(width) if scaler is None or scaler.scale_ is None else scaler.scale_
        # without an imputer an unknown value lies on no border: each split sends it to one side
        self._unknown = np.full(width, np.nan) if imputer is None else imputer.statistics_

    def points(self) -> "NDArray[np.float64]":
        """Column and value of every split, [m, 2], in the units of the pipeline's input; none of categories."""
        import numpy as np

        points, columns = self._splits.copy(), self._splits[:, 0].astype(int)
        points[:, 1] = points[:, 1] * self._scale[columns] + self._mean[columns]
        points[:, 0] = self._sources[columns]
        encoded = [] if self._encoder is None else [one["position"] for one in self._encoder.columns]
        return points[~np.isin(points[:, 0], encoded)]

    def nearest(self, rows: "NDArray[np.float32]") -> "NDArray[np.intp]":
        """For each row the column whose value lies on a split, within float32 rounding; -1: none does, [n]."""
        import numpy as np

        rows = rows if self._encoder is None else self._encoder.transform(rows)
        values = np.where(np.isnan(rows), self._unknown, rows).astype(np.float64)
        rounding = _ROUNDINGS * np.finfo(np.float32).eps
        best, column_of = np.full(len(rows), np.inf), np.full(len(rows), -1)
        for column in np.unique(self._splits[:, 0]).astype(int):
            splits = self._splits[self._splits[:, 0] == column, 1]
            scaled = (values[:, column] - self._mean[column]) / self._scale[column]
            right = np.clip(np.searchsorted(splits, scaled), 1, len(splits) - 1) if len(splits) > 1 else 0
            distance = np.abs(splits[right] - scaled)
            if len(splits) > 1:
                distance = np.minimum(distance, np.abs(splits[right - 1] - scaled))
            unit = rounding * np.maximum(np.abs(values[:, column]), abs(self._mean[column])) / self._scale[column]
            roundings = distance / np.maximum(unit, np.finfo(np.float32).tiny)
            closer = roundings < best
            best, column_of = np.where(closer, roundings, best), np.where(closer, column, column_of)
        return np.where(best <= 1, self._sources[column_of], -1)


def neighbour_tie(pipeline: "Pipeline", rows: "NDArray[np.float32]") -> "NDArray[np.bool_]":
    """Whether the last voting neighbour is as far as the first that does not vote, [n]; False without neighbours."""
    import numpy as np

    estimator = pipeline[-1]
    if not hasattr(estimator, "kneighbors"):
        return np.zeros(len(rows), dtype=bool)
    count = estimator.n_neighbors
    distances, _ = estimator.kneighbors(pipeline[:-1].transform(rows), n_neighbors=count + 1)
    gap: NDArray[np.float64] = distances[:, count] - distances[:, count - 1]
    tied: NDArray[np.bool_] = gap <= _NEIGHBOUR_ROUNDING * distances[:, count]
    return tied


def _steps_before(pipeline: "Pipeline") -> tuple[Any, Any, bool]:
    """Imputer and scaler before the estimator (None: there is none), and whether there is nothing else."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    steps = [step for _, step in pipeline.steps[:-1]]
    kinds = [type(step) for step in steps]
    if kinds not in ([], [SimpleImputer], [StandardScaler], [SimpleImputer, StandardScaler]):
        return None, None, False
    imputer = next((step for step in steps if isinstance(step, SimpleImputer)), None)
    scaler = next((step for step in steps if isinstance(step, StandardScaler)), None)
    keeps = imputer is None or imputer.keep_empty_features or not any(map(_is_empty, imputer.statistics_))
    return (imputer, scaler, True) if keeps else (None, None, False)


def _is_empty(statistic: float) -> bool:
    """Whether a column had no value at all: an imputer may leave it out, and the columns after it move."""
    return statistic != statistic


def _splits(estimator: Any) -> "list[NDArray[np.float64]]":
    """Column and threshold of each split, [m, 2] for each tree."""
    import numpy as np

    if hasattr(estimator, "booster_"):
        numbers = {name: number for number, name in enumerate(estimator.booster_.feature_name())}
        nodes = estimator.booster_.trees_to_dataframe().dropna(subset=["split_feature"])
        columns = nodes["split_feature"].map(numbers)
        return [np.column_stack([columns, nodes["threshold"]]).astype(np.float64)]
    if hasattr(estimator, "get_booster"):
        return [xgboost_splits(estimator)]
    if members_of(estimator):
        return []  # of columns that each member imputes and scales for itself
    trees = [estimator, *np.ravel(getattr(estimator, "estimators_", []))]
    found = [one.tree_ for one in trees if hasattr(one, "tree_")]
    return [np.column_stack([tree.feature, tree.threshold])[tree.feature >= 0] for tree in found]
