"""The baselines that a candidate must beat. They are fitted on the training rows only, like the candidate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.metric import Metric
from almanac.config.sections.gates import SEASONS
from almanac.errors import DataError
from almanac.statistics.metrics import THRESHOLD
from almanac.training.backtest.backtest import LabelledRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.floating]

KNOWN_ENOUGH = 0.5


@dataclass(frozen=True)
class Stump:
    """A rule on one column: 1 where `value > threshold`, or the reverse. An unknown value is not above."""

    column: int
    name: str
    threshold: float
    above: bool

    def decide(self, values: "NDArray[np.float32]") -> "NDArray[np.bool_]":
        """The rule's yes or no for each row of `values` [n, k]."""
        # in float64: with float32 values numpy rounds the threshold, which can then equal a value
        is_above: NDArray[np.bool_] = values[:, self.column].astype("float64") > self.threshold
        return is_above if self.above else ~is_above

    def __str__(self) -> str:
        """The rule in words."""
        return f"{self.name} {'>' if self.above else '<='} {self.threshold:.6g}"


@dataclass(frozen=True)
class BaselinePredictions:
    """Probabilities of the label 1 or numbers, [n] by baseline, and the stump in words."""

    predictions: "dict[str, NDArray[np.float64]]"
    stump: str


def predict_baselines(train: LabelledRows, test: LabelledRows, metric: Metric) -> BaselinePredictions:
    """Fit the baselines on `train` and predict `test` with them.

    A baseline's yes or no becomes a probability: the share of the label 1 among training rows with the same decision,
    kept on its side of 0.5. So metrics at a threshold measure the plain rule, and log loss measures a calibrated
    forecast, not a certain one that every candidate beats. Where the value of a season ago is unknown, the seasonal
    baseline predicts the majority; where most are unknown, it cannot be computed and is NaN, and gates refuse on it.

    Args:
        train: at least one row of each class.
        test: the rows to predict.
        metric: the stump is the best one on the training rows by this metric.

    Raises:
        DataError: the training rows are all of one class.
    """
    import numpy as np

    if len(np.unique(train.labels)) < 2:
        raise DataError(f"all {len(train)} training rows have the label {train.labels[:1]}; expected both")
    majority = bool(train.labels.mean() >= THRESHOLD)
    stump = best_stump(train, metric)
    decisions: dict[str, Callable[[LabelledRows], NDArray[np.bool_]]] = {
        "majority": lambda rows: np.full(len(rows), majority),
        "persistence": lambda rows: _known_or(rows.state_now, majority),
        "stump": lambda rows: stump.decide(rows.values),
    }
    found = {name: _as_probability(decide(train), train.labels, decide(test)) for name, decide in decisions.items()}
    of_train, of_test = _past_values(train), _past_values(test)
    unknown = np.array([np.nan])
    for name in (*SEASONS, *test.declared):
        before, now = of_train.get(name, unknown), of_test.get(name, unknown)
        if min(known_share(before), known_share(now)) < KNOWN_ENOUGH:
            found[name] = np.full(len(test), np.nan)
        else:
            found[name] = _as_probability(_known_or(before, majority), train.labels, _known_or(now, majority))
    return BaselinePredictions(found, str(stump))


def _past_values(rows: LabelledRows) -> "dict[str, NDArray[np.float64]]":
    seasons = {str(season): values for season, values in rows.seasons.items()}
    return {**seasons, **rows.declared}


def best_stump(train: LabelledRows, metric: Metric) -> Stump:
    """The best rule on a single column, over every column, threshold and direction; ties go to the first.

    For metrics on probabilities (ROC AUC, log loss) the rule is chosen by balanced accuracy, which is the ROC AUC
    of a yes-or-no decision.

    Raises:
        DataError: no column has two different values.
    """
    import numpy as np

    best, best_score = None, -np.inf
    for column, name in enumerate(train.names):
        values = np.nan_to_num(train.values[:, column].astype(np.float64), nan=-np.inf)
        order = np.argsort(values, kind="stable")
        values, ones = values[order], np.cumsum(train.labels[order])
        borders = np.flatnonzero(values[:-1] < values[1:])
        if not len(borders):
            continue
        ones_below, below = ones[borders].astype(np.float64), borders + 1.0
        total, all_ones = float(len(values)), float(ones[-1])
        for above in (True, False):
            hits: Counts = all_ones - ones_below if above else ones_below
            positives: Counts = total - below if above else below
            scores = _score(metric, hits, positives, all_ones, total)
            top = int(np.argmax(scores))
            if scores[top] > best_score:
                best_score = float(scores[top])
                best = Stump(column, name, _between(values[borders[top]], values[borders[top] + 1]), above)
    if best is None:
        raise DataError(f"no stump: none of the columns {list(train.names)} has two different values")
    return best


def _score(metric: Metric, hits: "Counts", positives: "Counts", ones: float, total: float) -> "Counts":
    """The metric from counts: `positives` rows are predicted as 1, `hits` of them rightly; `ones` of `total` are 1."""
    zeros, zero_hits = total - ones, total - positives - (ones - hits)
    if metric == "accuracy":
        right: Counts = (hits + zero_hits) / total
        return right
    f1: Counts = 2 * hits / (positives + ones)
    if metric == "f1":
        return f1
    if metric == "f1_macro":
        mean: Counts = (f1 + 2 * zero_hits / (total - positives + zeros)) / 2
        return mean
    if metric == "average_precision":  # area below the two steps of a two-valued score
        recall = hits / ones
        area: Counts = recall * hits / positives + (1 - recall) * ones / total
        return area
    balanced: Counts = (hits / ones + zero_hits / zeros) / 2
    return balanced


def _between(low: float, high: float) -> float:
    """A threshold t with low <= t < high, so that `value > t` separates the two."""
    import numpy as np

    if not np.isfinite(low):  # the border between unknown and known values
        return float(np.nextafter(high, -np.inf))
    middle = low + (high - low) / 2
    return float(middle if low <= middle < high else low)


def _known_or(state: "NDArray[np.float64]", otherwise: bool) -> "NDArray[np.bool_]":
    """Whether each value is 1; `otherwise` where it is unknown."""
    import numpy as np

    known: NDArray[np.bool_] = np.where(np.isnan(state), otherwise, state == 1)
    return known


def known_share(state: "NDArray[np.float64]") -> float:
    """The share of known values; 0 without values."""
    import numpy as np

    return float((~np.isnan(state)).mean()) if len(state) else 0.0


def _as_probability(
    of_train: "NDArray[np.bool_]", train_labels: "NDArray[np.int8]", of_test: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    import numpy as np

    ones, base = train_labels == 1, float(train_labels.mean())
    yes = ones[of_train].mean() if of_train.any() else base
    no = ones[~of_train].mean() if (~of_train).any() else base
    below_half = float(np.nextafter(THRESHOLD, 0))
    probability: NDArray[np.float64] = np.where(of_test, max(float(yes), THRESHOLD), min(float(no), below_half))
    return probability
