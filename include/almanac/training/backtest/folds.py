"""How the labelled rows are parted into those that train and those that judge: by time, or by whose rows they are.

This is the only place that knows. By time: rolling origin, each fold is predicted by a model that was trained on what
was known before the fold began (Tashman, 2000, "Out-of-sample tests of forecasting accuracy", Int. J. of Forecasting
16(4)). Without a time: each fold is a share of the groups by their hash (`almanac.features.split_groups`), and is
predicted by a model that was trained on the groups of neither it nor the hold-out.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.features.split_groups import is_held_out, places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from almanac.features.split_groups import Hashes
    from almanac.statistics.metrics import Labels

    Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Fold:
    """One step of the backtest: the row numbers of `LabelledRows` that it trains and tests on.

    Attributes:
        number: from 0 on; the last fold is the hold-out.
        where: which rows it tests on, in words.
        start: the beginning of its time, `end` the end; of the whole table where the rows have no time.
    """

    number: int
    where: str
    start: "np.datetime64"
    end: "np.datetime64"
    train: "Rows"
    test: "Rows"


def split(model: Model, times: "NDArray[np.datetime64]", groups: "Hashes | None" = None) -> tuple[Fold, ...]:
    """The folds of the model's backtest over its labelled rows; the last one is the hold-out.

    Args:
        model: declares the backtest.
        times: datetime64[us] [n], sorted.
        groups: whose rows they are, [n]; None: they are split by time.

    Raises:
        DataError: a fold has no rows, or too few rows to train on.
    """
    folds = _cut(model, times, groups)
    wanted = model.train.backtest
    lie, smaller = ("before it", "fold") if groups is None else ("to train on", "share")
    for fold in folds:
        if len(fold.train) < wanted.min_train_rows:
            raise DataError(
                f"{model.name}: fold {fold.number} of the backtest, {fold.where}: got {len(fold.train)} labelled rows"
                f" {lie}, expected at least {wanted.min_train_rows} (train.backtest.min_train_rows) of {len(times)};"
                f" land more history, or choose a smaller train.backtest.{smaller}"
            )
        if not len(fold.test):
            raise DataError(
                f"{model.name}: fold {fold.number} of the backtest, {fold.where}, has no labelled row; land the missing"
                " rows, or change train.backtest"
            )
    return folds


def fold_problems(
    model: Model, times: "NDArray[np.datetime64]", labels: "Labels", groups: "Hashes | None" = None
) -> tuple[str, ...]:
    """The reasons why no candidate can be trained or measured on the folds; empty: there are none.

    Args:
        model: declares the backtest.
        times: datetime64[us] [n], sorted.
        labels: of these rows, [n].
        groups: whose rows they are, [n]; None: they are split by time.
    """
    import numpy as np

    folds, least = _cut(model, times, groups), model.train.backtest.min_train_rows
    found = []
    for fold in folds:
        where = f"fold {fold.number} of the backtest, {fold.where}, "
        if not len(fold.test):
            found.append(f"{where}has no labelled row; land the missing rows, or change train.backtest")
        if len(fold.train) < least:
            found.append(f"{where}has {len(fold.train)} training rows, wanted {least} (train.backtest.min_train_rows)")
        elif _is_constant(labels[fold.train]):
            found.append(f"{where}has {len(fold.train)} training rows, all with the label {labels[fold.train][0]:g}")
    before = np.concatenate([fold.test for fold in folds[:-1]])
    for name, rows in (("folds before the hold-out", before), ("hold-out", folds[-1].test)):
        if len(rows) and _is_constant(labels[rows]):
            words = f"all {len(rows)} rows of the {name} have the label {labels[rows][0]:g}"
            longer = "lengthen train.backtest.fold" if groups is None else "raise train.backtest.share"
            found.append(f"{words}, so no metric is defined there; {longer}")
    return tuple(found)


def _is_constant(labels: "Labels") -> bool:
    return not (labels != labels[:1]).any()


def rows_before_backtest(model: Model, times: "NDArray[np.datetime64]", groups: "Hashes | None" = None) -> int:
    """The number of training rows of the first fold; 0 without labelled rows."""
    return len(_cut(model, times, groups)[0].train) if len(times) else 0


def last_part(chosen: "Rows", groups: "Hashes | None", share: float, *, least: int = 1) -> "Rows":
    """A share of some rows, whole groups of them: the newest by time; without a time those whose groups are drawn.

    Args:
        chosen: numbers of the rows, in the order of time.
        groups: whose rows all rows are, [n]; None: they are split by time.
        share: from 0 to 1.
        least: so many rows at least, of those that are split by time.
    """
    if groups is None:
        return chosen[-max(int(len(chosen) * share), least) :]
    return chosen[places(groups[chosen], level=1) >= 1 - share]


def split_words(model: Model) -> str:
    """By what the rows are split, for the passport: versions of one split were trained on no row of its hold-out."""
    dataset, share = model.dataset, model.train.backtest.share
    if not dataset.is_arrival:
        return ""
    columns = dataset.group or (dataset.key if dataset.has_key else ())
    return f"hold-out: {share:.4g} of the {', '.join(columns) or 'rows'}, by hash"


def _cut(model: Model, times: "NDArray[np.datetime64]", groups: "Hashes | None") -> tuple[Fold, ...]:
    import numpy as np

    if not len(times):
        raise DataError(f"{model.name}: got 0 labelled rows, expected history. Land data first")
    if (np.diff(times) < np.timedelta64(0)).any():
        raise DataError(f"{model.name}: labelled rows are not ordered by time")
    if model.dataset.is_arrival and groups is None:
        raise DataError(f"{model.name}: got no groups, expected that of each row: without a time nothing else splits")
    return _by_time(model, times) if groups is None else _by_group(model, times, groups)


def _by_time(model: Model, times: "NDArray[np.datetime64]") -> tuple[Fold, ...]:
    """The newest `folds` x `fold` of time in equal parts.

    A fold trains on rows with `t + horizon + delay <= start`, whose labels were known when it began, within a sliding
    `train.window`.
    """
    import numpy as np

    count, length = model.train.backtest.folds, np.timedelta64(model.train.backtest.fold)
    known_after, window = np.timedelta64(model.label.known_after), model.train.window
    end = times[-1] + np.timedelta64(model.dataset.step)
    folds = []
    for number in range(count):
        start = end - (count - number) * length
        # the embargo: no label of the fold's own time is trained on; without a horizon its first row is its own
        train = (times + known_after <= start) & (times < start)
        if isinstance(window, timedelta):
            train &= times >= start - np.timedelta64(window)
        test = (times >= start) & (times < start + length)
        where = f"{start} to {start + length}"
        folds.append(Fold(number, where, start, start + length, np.flatnonzero(train), np.flatnonzero(test)))
    return tuple(folds)


def _by_group(model: Model, times: "NDArray[np.datetime64]", groups: "Hashes") -> tuple[Fold, ...]:
    """A `share` of the groups for each fold, the hold-out always the same ones, however many folds there are."""
    import numpy as np

    count, share, place = model.train.backtest.folds, model.train.backtest.share, places(groups)
    held, end = is_held_out(model, groups), times[-1] + np.timedelta64(model.dataset.step)
    folds = []
    for number in range(count):
        last = number == count - 1
        low = 1 - (count - number) * share
        test = held if last else (place >= low) & (place < low + share) & ~held
        where = f"{share:.0%} of {len(np.unique(groups))} {'groups' if model.dataset.group else 'rows'} by their hash"
        train = np.flatnonzero(~(test | held))
        folds.append(Fold(number, where, times[0], end, train, np.flatnonzero(test)))
    return tuple(folds)
