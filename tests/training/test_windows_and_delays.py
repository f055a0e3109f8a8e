"""Training takes [now - delay - window, now - delay]: late labels are neither learned nor judged by early."""

from datetime import timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import rows_before_backtest, split
from almanac.training.policy import count_labelled
from tests.training.conftest import HOURS, NOW, START

HOUR = np.timedelta64(1, "h")


@pytest.fixture(scope="module")
def late(small, change):
    prompt = change(small, "gates.baselines", kinds=("majority", "persistence", "stump"))
    return change(prompt, "label", delay="7d")


def test_labelled_rows_leave_out_labels_that_have_not_arrived(small, late, frame) -> None:
    whole, delayed = (labelled_rows(model, frame, now=NOW) for model in (small, late))
    assert (
        whole.times[-1] - delayed.times[-1] == 7 * 24 * HOUR - HOUR
    )  # the label of the hour of NOW itself is not there


def test_count_labelled_counts_what_training_would_see(late, frame) -> None:
    rows = labelled_rows(late, frame, now=NOW)
    assert count_labelled(late, frame, now=NOW).rows == len(rows)
    assert count_labelled(late, frame, now=NOW).before_backtest == rows_before_backtest(late, rows.times)


def test_split_does_not_teach_a_fold_labels_that_arrived_after_it_began(late, frame) -> None:
    rows = labelled_rows(late, frame, now=NOW)
    for fold in split(late, rows.times):
        assert rows.times[fold.train].max() + 4 * HOUR + 7 * 24 * HOUR == fold.start


def test_window_expanding_takes_all_before_each_fold(small, frame) -> None:
    rows = labelled_rows(small, frame, now=NOW)
    assert {rows.times[fold.train].min() for fold in split(small, rows.times)} == {rows.times[0]}


def test_window_sliding_moves_with_each_fold(small, change, frame) -> None:
    model = change(small, "train", window="60d")
    rows = labelled_rows(model, frame, now=NOW)
    for fold in split(model, rows.times):
        assert rows.times[fold.train].min() == fold.start - np.timedelta64(60, "D")


def test_window_fixed_takes_no_row_outside_and_cuts_its_folds_within(small, change, frame) -> None:
    since, until = START + timedelta(days=50), START + timedelta(days=300)
    model = change(small, "train", window={"since": since, "until": until})
    rows = labelled_rows(model, frame, now=NOW)
    baselines = np.datetime64(since.replace(tzinfo=None)), np.datetime64(until.replace(tzinfo=None))
    assert (rows.times[0], rows.times[-1] + HOUR) == baselines
    assert split(model, rows.times)[-1].end == baselines[1]
    assert count_labelled(model, frame, now=NOW).rows == len(rows) == 250 * 24


def test_window_from_a_date_on_goes_to_the_newest_label(small, change, frame) -> None:
    model = change(small, "train", window={"since": START + timedelta(days=50)})
    assert len(labelled_rows(model, frame, now=NOW)) == HOURS - 4 - 50 * 24


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"since": "2024-01-01T00:00:00Z", "until": "2023-01-01T00:00:00Z"}, "since is not before until"),
        ({"since": "2024-01-01T00:00:00"}, "timezone"),
        ("lately", "not a duration"),
    ],
)
def test_window_declared_wrongly_is_refused(small, change, window, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        change(small, "train", window=window)


def test_persistence_of_a_label_without_horizon_is_refused(small, change) -> None:
    others = [one for one in small.features if small.label.column not in str(one)]
    without_label = small.model_copy(update={"features": others})
    with pytest.raises(ValidationError, match="persistence equals the label"):
        change(without_label, "label", horizon="0s")
