"""Folds never train on what was not known when they began."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import rows_before_backtest, split

HOUR = np.timedelta64(1, "h")


def hourly(count: int) -> np.ndarray:
    return np.datetime64("2023-01-01T00:00:00", "us") + np.arange(count) * HOUR


def test_split_covers_the_newest_time_without_overlap(small) -> None:
    times = hourly(5000)
    folds = split(small, times)
    tested = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(tested, np.arange(5000 - 4 * 30 * 24, 5000))


def test_split_trains_on_labels_known_before_the_fold_only(small) -> None:
    times = hourly(5000)
    for fold in split(small, times):
        newest = times[fold.train].max()
        assert newest + 4 * HOUR == fold.start  # the embargo is the horizon, and not an hour more
        assert newest < times[fold.test].min()


def test_split_with_window_forgets_older_rows(small, change) -> None:
    model = change(small, "train", window="60d")
    times = hourly(5000)
    for fold in split(model, times):
        assert times[fold.train].min() == fold.start - np.timedelta64(60, "D")


def test_split_by_time_not_by_count_when_hours_are_missing(small) -> None:
    times = np.delete(hourly(5000), np.arange(4000, 4100))
    whole, holed = split(small, hourly(5000)), split(small, times)
    assert [fold.start for fold in whole] == [fold.start for fold in holed]
    assert sum(len(fold.test) for fold in holed) == 4 * 720 - 100


def test_split_with_too_little_history_says_the_figures(small) -> None:
    times = hourly(4 * 720 + 1003)  # the first fold begins after 1003 hours; 4 of them have no label yet
    assert rows_before_backtest(small, times) == 1000
    split(small, times)
    with pytest.raises(DataError, match=r"got 999 labelled rows before it, expected at least 1000 .*min_train_rows"):
        split(small, times[:-1])


def test_split_with_an_empty_fold_refuses(small) -> None:
    times = np.delete(hourly(6000), np.arange(6000 - 2 * 720, 6000 - 720))
    with pytest.raises(DataError, match=r"fold 2 of the backtest.*has no labelled row"):
        split(small, times)


def test_split_without_rows_refuses(small) -> None:
    assert rows_before_backtest(small, hourly(0)) == 0
    with pytest.raises(DataError, match="got 0 labelled rows"):
        split(small, hourly(0))


def test_labelled_rows_leave_out_labels_to_come_and_sort(small, frame: pl.DataFrame) -> None:
    part = frame[:100]
    now = part["Timestamp"][50]
    rows = labelled_rows(small, part.sample(fraction=1, shuffle=True, seed=3), now=now)
    assert len(rows) == 47  # hours 0 to 46, whose labels are true at hours 4 to 50
    assert (np.diff(rows.times) == HOUR).all()
    later = labelled_rows(small, part, now=now + timedelta(hours=1))
    np.testing.assert_array_equal(later.values[:47], rows.values)


def test_first_row_of_a_fold_is_no_training_row_though_its_label_is_known_at_once(small) -> None:
    """Without a horizon a label is known at its own row: that row is predicted, and not trained on."""
    model = small.model_copy(update={"label": small.label.model_copy(update={"horizon": timedelta(0)})})
    times = np.datetime64("2023-01-01T00", "us") + np.arange(24 * 300) * np.timedelta64(1, "h")
    for fold in split(model, times):
        assert not set(fold.train) & set(fold.test)
        assert fold.train[-1] + 1 == fold.test[0]
