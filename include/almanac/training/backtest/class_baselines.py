"""The baselines of a label with several classes. They are fitted on the training rows only, like the candidate."""

from typing import TYPE_CHECKING

from almanac.config.sections.gates import SEASONS
from almanac.errors import DataError
from almanac.statistics.class_metrics import shares_of_decisions
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.baselines import KNOWN_ENOUGH, BaselinePredictions, known_share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def predict_class_baselines(train: LabelledRows, test: LabelledRows, names: tuple[str, ...]) -> BaselinePredictions:
    """Predict `test` with the most frequent class, persistence, seasons, and the best split of one column.

    A baseline decides for a class. Its probabilities are the shares of all classes among the training rows with the
    same decision, and the decided class is made the likeliest: so accuracy measures the plain rule, and log loss a
    calibrated forecast. Where its value is unknown it decides for the most frequent class; where most values are
    unknown, it cannot be computed and is NaN, and gates refuse on it.

    Args:
        train: at least two classes.
        test: the rows to predict.
        names: of the classes, in their order.

    Raises:
        DataError: the training rows are all of one class, or no column has two different values.
    """
    import numpy as np

    labels, count = train.labels.astype(np.int64), len(names)
    if len(np.unique(labels)) < 2:
        raise DataError(f"all {len(train)} training rows have the label {names[labels[0]]}; expected several")
    majority = int(np.bincount(labels, minlength=count).argmax())
    stump, words = _best_split(train, test, names)
    found = {
        "majority": shares_of_decisions(np.full(len(train), majority), labels, np.full(len(test), majority), count)
    }
    found["stump"] = shares_of_decisions(stump[0], labels, stump[1], count)
    unknown = np.array([np.nan])
    pasts = {"persistence": (train.state_now, test.state_now)}
    pasts |= {season: (train.seasons.get(season, unknown), test.seasons.get(season, unknown)) for season in SEASONS}
    for name, (before, now) in pasts.items():
        if name != "persistence" and min(known_share(before), known_share(now)) < KNOWN_ENOUGH:
            found[name] = np.full((len(test), count), np.nan)
        else:
            found[name] = shares_of_decisions(_known_or(before, majority), labels, _known_or(now, majority), count)
    return BaselinePredictions(found, words)


def _known_or(values: "Floats", otherwise: int) -> "Ints":
    import numpy as np

    return np.where(np.isnan(values), otherwise, np.nan_to_num(values)).astype(np.int64)


def _best_split(train: LabelledRows, test: LabelledRows, names: tuple[str, ...]) -> "tuple[tuple[Ints, Ints], str]":
    """The decisions of the best split of one column on both sets of rows, and it in words: a tree of one split.

    Classes weigh alike, so that the rule says more than the most frequent class.
    """
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier

    split = DecisionTreeClassifier(max_depth=1, class_weight="balanced", random_state=0).fit(train.values, train.labels)
    tree = split.tree_
    if tree.node_count < 3:
        raise DataError(f"no stump: no column of {list(train.names)} separates the {len(train)} labels")
    low, high = (
        names[int(split.classes_[tree.value[node][0].argmax()])]
        for node in (tree.children_left[0], tree.children_right[0])
    )
    words = f"{train.names[tree.feature[0]]} > {tree.threshold[0]:.6g}: {high}, else {low}"
    decisions = (split.predict(rows.values).astype(np.int64) for rows in (train, test))
    return (next(decisions), next(decisions)), words
