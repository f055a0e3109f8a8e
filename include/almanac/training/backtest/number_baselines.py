"""The naive rules that a candidate must beat which foretells a number. They learn from the training rows only."""

from typing import TYPE_CHECKING

from almanac.config.sections.gates import SEASONS
from almanac.errors import DataError
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.baselines import KNOWN_ENOUGH, NaivePredictions, known_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def predict_naive_numbers(train: LabelledRows, test: LabelledRows) -> NaivePredictions:
    """Apply the naive rules to `test`: the mean of `train`, persistence, seasons, and the best step on one column.

    Where what a rule repeats is unknown, it says the mean; a rule for which that is so on most rows cannot be computed
    and is NaN, on which gates refuse.

    Raises:
        DataError: all training rows have the same label, or no column has two different values.
    """
    import numpy as np

    mean = float(train.labels.mean())
    stump, words = _best_step(train, test)
    said = {
        "mean": np.full(len(test), mean),
        "stump": stump,
    }
    unknown = np.full(len(test), np.nan)
    repeated: dict[str, NDArray[np.float64]] = {"persistence": test.state_now}
    repeated |= {season: test.seasons.get(season, unknown) for season in SEASONS}
    repeated |= test.declared
    for rule, then in repeated.items():
        said[rule] = np.where(np.isnan(then), mean, then) if known_share(then) >= KNOWN_ENOUGH else unknown
    return NaivePredictions(said, words)


def _best_step(train: LabelledRows, test: LabelledRows) -> tuple["NDArray[np.float64]", str]:
    """The step on one column with the least squared error, and it in words: scikit-learn's tree with one split."""
    from sklearn.tree import DecisionTreeRegressor

    step = DecisionTreeRegressor(max_depth=1, random_state=0).fit(train.values, train.labels)
    tree = step.tree_
    if tree.node_count < 3:
        raise DataError(f"no stump: no column of {list(train.names)} parts the {len(train)} labels")
    low, high = (float(tree.value[node].item()) for node in (tree.children_left[0], tree.children_right[0]))
    words = f"{train.names[tree.feature[0]]} > {tree.threshold[0]:.6g}: {high:.6g}, else {low:.6g}"
    said: NDArray[np.float64] = step.predict(test.values)
    return said, words
