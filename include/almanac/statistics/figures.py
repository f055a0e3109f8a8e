"""A metric with its standard error, for rows that follow each other in time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from almanac.config.grammar.metric import NUMBER_METRICS, Metric
from almanac.statistics.profile import Figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCKS, _MIN_BLOCKS = 24, 5
_MOST_REPEATED = 4  # times the rows that there are; beyond it the other label is thinned out instead
_ERRORS = frozenset(NUMBER_METRICS)
_KNOW_NO_SHARE = frozenset({"roc_auc", "balanced_accuracy", "worst_recall", *_ERRORS})
_Mix = float | tuple[float, ...]  # the share of the label 1, or of each class
NORMAL = 1.959964  # the normal quantile of a 95 % interval
CONFIDENCE = 0.95


def figure(
    metric: Metric,
    observed: "Floats",
    predicted: "Floats",
    *,
    share: _Mix | None = None,
    threshold: float = 0.5,
) -> Figure | None:
    """One metric with its standard error.

    The error is the delete-a-block jackknife's (Kuensch 1989): contiguous blocks are left out in turn, because
    misses come in storms, and an error from single rows would be far too small. It is widened to Student's t of as
    many blocks as hold the rarer label, so that 1.96 of it is a 95 % interval (Cameron, Gelbach and Miller 2008).

    Args:
        metric: its name in the YAML.
        observed: 0 or 1, positions of classes, or numbers for an error, ordered by time, [n].
        predicted: probabilities of the label 1, or numbers, [n]; or of each class, [n, k].
        share: as if this share of the labels were 1 (of several classes, as if these were their shares). F1 of a July
            in which it never snows and F1 of a year are no match: most metrics follow the mix of the labels, which is
            the world's doing and not the model's. Rows weigh by p'(y) / p(y), as Saerens, Latinne and Decaestecker
            (2002) correct for another prior.
        threshold: from which probability on it is a yes.

    Returns:
        None when the metric is not defined on these rows.
    """
    found = _jackknife(
        metric,
        observed,
        lambda rows: measured(metric, observed[rows], predicted[rows], share=share, threshold=threshold),
        _labels(observed, predicted),
    )
    if found is None:
        return None
    return Figure(metric, *found, len(observed), None if metric in _ERRORS else mix_of(observed, predicted))


def mix_of(observed: "Floats", predicted: "Floats") -> _Mix:
    """The share of the label 1, or of each class where there are several."""
    import numpy as np

    if predicted.ndim == 1:
        return float(observed.mean())
    counts = np.bincount(observed.astype(np.int64), minlength=predicted.shape[1])
    return tuple((counts / len(observed)).tolist())


def share_of(flags: "NDArray[np.bool_]") -> tuple[float, float] | None:
    """How many of the rows, which follow each other in time, are so, and the standard error of that; see `figure`."""
    return _jackknife("accuracy", flags.astype(float), lambda rows: float(flags[rows].mean()))


def advantage(
    metric: Metric,
    observed: "Floats",
    ours: "Floats",
    theirs: "Floats",
    *,
    thresholds: tuple[float, float] = (0.5, 0.5),
) -> tuple[float, float] | None:
    """By how much `ours` is better than `theirs` on the same rows, and the standard error of that.

    Paired: a storm that both miss makes neither better. For the arguments see `figure`.
    """

    def better_by(rows: "NDArray[np.bool_]") -> float:
        first = measured(metric, observed[rows], ours[rows], threshold=thresholds[0])
        second = measured(metric, observed[rows], theirs[rows], threshold=thresholds[1])
        return worse_by(metric, second, first)

    return _jackknife(metric, observed, better_by, _labels(observed, ours))


def _labels(observed: "Floats", predicted: "Floats") -> tuple[float, ...]:
    """The labels that must be there: both, or those of several classes that occur."""
    import numpy as np

    return (0, 1) if predicted.ndim == 1 else tuple(np.unique(observed).tolist())


def _jackknife(
    metric: Metric,
    observed: "Floats",
    statistic: "Callable[[NDArray[np.bool_]], float]",
    labels: tuple[float, ...] = (0, 1),
) -> tuple[float, float] | None:
    """A statistic of chosen rows and its standard error; None when it is not defined, or too few blocks speak."""
    import numpy as np

    from almanac.statistics.metrics import UndefinedMetricError

    blocks = min(_BLOCKS, len(observed) // 2)
    if blocks < 2:
        return None
    block = np.arange(len(observed)) * blocks // len(observed)
    speaking = _speaking_blocks(metric, observed, block, labels)
    if speaking < _MIN_BLOCKS:
        return None
    try:
        value = statistic(np.ones(len(observed), dtype=bool))
        without = [statistic(block != b) for b in range(blocks)]
    except UndefinedMetricError:
        return None
    spread = float(np.sum((np.asarray(without) - np.mean(without)) ** 2))
    return value, float((spread * (blocks - 1) / blocks) ** 0.5) * _students(speaking - 1) / NORMAL


def measured(
    metric: Metric,
    observed: "Floats",
    predicted: "Floats",
    *,
    share: _Mix | None = None,
    threshold: float = 0.5,
) -> float:
    """The metric alone; for the arguments see `figure`.

    Raises:
        UndefinedMetricError: it has no value on these rows.
    """
    import numpy as np

    from almanac.statistics.metrics import measure

    if metric in _ERRORS:
        return measure(metric, observed, predicted)
    plain = share is None or metric in _KNOW_NO_SHARE
    if isinstance(share, tuple):
        rows = slice(None) if plain else _at_mix(observed, share)
    else:
        rows = slice(None) if plain else _at_share(observed, cast(float, share))
    return measure(metric, observed[rows].astype(np.int8), predicted[rows], threshold=threshold)


def enough_of_all(metric: Metric, observed: "Floats", needed: int, *, classes: int = 0) -> bool:
    """Whether each label is there often enough for the metric to mean something; errors need no labels.

    Args:
        metric: its name in the YAML.
        observed: labels, [n].
        needed: rows of each label.
        classes: their number; 0: the label is yes or no, or a number.
    """
    import numpy as np

    if metric in _ERRORS:
        return True
    return int(np.bincount(observed.astype(np.int64), minlength=classes or 2).min()) >= needed


def _at_share(observed: "Floats", share: float) -> "NDArray[np.intp]":
    """Row numbers, those of the label that is too rare repeated evenly, so that `share` of them are of the label 1.

    Raises:
        UndefinedMetricError: one of the labels is not there at all.
    """
    import numpy as np

    from almanac.statistics.metrics import UndefinedMetricError

    ones, zeros = np.flatnonzero(observed == 1), np.flatnonzero(observed == 0)
    if not (len(ones) and len(zeros) and 0 < share < 1):
        raise UndefinedMetricError(f"{len(ones)} labels 1 and {len(zeros)} labels 0 cannot be weighted to {share}")
    too_many_ones = len(ones) / len(observed) > share
    common, rare = (ones, zeros) if too_many_ones else (zeros, ones)
    ratio = (1 - share) / share if too_many_ones else share / (1 - share)  # rare for each common one
    kept = min(len(common), round(_MOST_REPEATED * len(observed) / (1 + ratio)))
    return np.concatenate([_spread(common, kept), _spread(rare, round(kept * ratio))])


def _at_mix(observed: "Floats", mix: tuple[float, ...]) -> "NDArray[np.intp]":
    """Row numbers, thinned out or repeated evenly by class, so that the classes have these shares.

    Raises:
        UndefinedMetricError: a class of the mix is not there at all.
    """
    import numpy as np

    from almanac.statistics.metrics import UndefinedMetricError

    rows = [np.flatnonzero(observed == position) for position in range(len(mix))]
    if absent := [position for position, share in enumerate(mix) if share > 0 and not len(rows[position])]:
        raise UndefinedMetricError(
            f"no label is of the classes {absent}, whose shares are {[mix[one] for one in absent]}"
        )
    # no class is repeated more often than the rarer label of two may be
    scale = min(_MOST_REPEATED * len(of) / share for of, share in zip(rows, mix, strict=True) if share > 0)
    whole = min(scale, float(len(observed)))
    return np.concatenate([_spread(of, round(whole * share)) for of, share in zip(rows, mix, strict=True)])


def _spread(rows: "NDArray[np.intp]", count: int) -> "NDArray[np.intp]":
    """So many of the rows, evenly: some left out, or some repeated."""
    import numpy as np

    return rows[np.arange(count) * len(rows) // max(count, 1)]


def _speaking_blocks(metric: Metric, observed: "Floats", block: "NDArray[np.intp]", labels: "tuple[float, ...]") -> int:
    """How many blocks hold the rarest of the labels; all of them where there are no labels."""
    import numpy as np

    if metric in _ERRORS:
        return len(np.unique(block))
    if metric == "accuracy":
        return _BLOCKS
    return min(len(np.unique(block[observed == label])) for label in labels)


def _students(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def worse_by(metric: str, now: float, reference: float) -> float:
    """By how much `now` is worse than `reference`, in the metric's unit; negative when it is better."""
    from almanac.statistics.metrics import gain

    return gain(metric, reference, now)


def lower_is_better(metric: Metric) -> bool:
    """Whether a smaller figure is a better one."""
    return worse_by(metric, 1.0, 0.0) > 0
