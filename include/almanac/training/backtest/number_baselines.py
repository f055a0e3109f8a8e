"""The baselines of a label that is a number. They are fitted on the training rows only."""

from typing import TYPE_CHECKING

from almanac.config.sections.gates import SEASONS
from almanac.errors import DataError
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.baselines import KNOWN_ENOUGH, BaselinePredictions, known_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def predict_number_baselines(train: LabelledRows, test: LabelledRows) -> BaselinePredictions:
    """Predict `test` with the mean of `train`, persistence, seasons, declared rules, and the best step on one column.

    A baseline predicts the mean where its value is unknown; where most values are unknown, it cannot be computed and
    is NaN, and gates refuse on it.

    Raises:
        DataError: all training rows have the same label, or no column has two different values.
    """
    import numpy as np

    mean = float(train.labels.mean())
    stump, words = _best_step(train, test)
    found = {"mean": np.full(len(test), mean), "stump": stump}
    unknown = np.full(len(test), np.nan)
    values: dict[str, NDArray[np.float64]] = {"persistence": test.state_now}
    values |= {season: test.seasons.get(season, unknown) for season in SEASONS}
    values |= test.declared
    for name, past in values.items():
        found[name] = np.where(np.isnan(past), mean, past) if known_share(past) >= KNOWN_ENOUGH else unknown
    return BaselinePredictions(found, words)


def _best_step(train: LabelledRows, test: LabelledRows) -> tuple["NDArray[np.float64]", str]:
    """The step on one column with the least squared error, [n], and it in words: scikit-learn's tree of one split."""
    from sklearn.tree import DecisionTreeRegressor

    step = DecisionTreeRegressor(max_depth=1, random_state=0).fit(train.values, train.labels)
    tree = step.tree_
    if tree.node_count < 3:
        raise DataError(f"no stump: no column of {list(train.names)} separates the {len(train)} labels")
    low, high = (float(tree.value[node].item()) for node in (tree.children_left[0], tree.children_right[0]))
    words = f"{train.names[tree.feature[0]]} > {tree.threshold[0]:.6g}: {high:.6g}, else {low:.6g}"
    predictions: NDArray[np.float64] = step.predict(test.values)
    return predictions, words
