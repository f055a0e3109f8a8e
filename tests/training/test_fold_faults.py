"""Folds on which nothing can be trained or measured: a recorded refusal that names the fold, never a red run."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, RunRef
from almanac.training.backtest.folds import fold_problems
from almanac.training.policy import count_labelled, decide_training
from tests.training.conftest import NOW, START, make_hours
from tests.training.number_labels.load import HOURS as LOAD_HOURS
from tests.training.number_labels.load import LOAD, load_yaml, make_load
from tests.training.number_labels.load import NOW as LOAD_NOW

DAYS = 200  # of the weather: two folds of 30 days, the hold-out is the last of them
RAIN, CLEAR = "rain", "clear"


@pytest.fixture(scope="module")
def model(small, change):
    return change(small, "train.backtest", folds=2, fold="30d", min_train_rows=1)


@pytest.fixture(scope="module")
def hours() -> pl.DataFrame:
    return make_hours(DAYS * 24)


def since(days: int) -> pl.Expr:
    return pl.col("Timestamp") >= START + timedelta(days=days)


def always(where: pl.Expr, what: str):
    sky = pl.when(where).then(pl.lit(what)).otherwise("Weather_conditions").alias("Weather_conditions")
    return lambda hours: hours.with_columns(sky)


DEGENERATE = {
    "one class everywhere": (always(pl.lit(True), CLEAR), "training rows, all with the label 0"),
    "one class to train on": (always(~since(140), CLEAR), "rows, all with the label 0"),
    "one class before the hold-out": (
        always(since(138) & ~since(171), RAIN),
        "folds before the hold-out have the label 1",
    ),
    "one class in the hold-out": (always(since(168), CLEAR), "hold-out have the label 0, so no metric is defined"),
    "an empty fold": (lambda hours: hours.filter(~since(139) | since(171)), "fold 0 of the backtest, 2"),
    "one row in the hold-out": (
        lambda hours: hours.filter(~since(168) | (pl.col("Timestamp") >= START + timedelta(hours=DAYS * 24 - 5))),
        "all 1 rows of the hold-out have the label",
    ),
    "one row to train on": (  # the second is there for the label of the first
        lambda hours: hours.filter(since(140) | pl.int_range(pl.len()).is_in([0, 4])),
        "has 1 training rows, all with the label",
    ),
}


def decide(model, frame: pl.DataFrame, journal: Journal, now=NOW, run: str = "one"):
    labelled = count_labelled(model, frame, now=now)
    return decide_training(
        model,
        trigger="manual",
        reason="by hand",
        labelled=labelled,
        champion=None,
        journal=journal,
        now=now,
        run=RunRef("train_weather", run),
    )


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(Home(home=tmp_path).journal_url)


@pytest.mark.parametrize("kind", DEGENERATE)
def test_decide_training_on_degenerate_folds_is_a_recorded_refusal(model, hours, journal, kind: str) -> None:
    spoil, words = DEGENERATE[kind]
    decision = decide(model, spoil(hours), journal)
    assert not decision.accepted  # a person by hand does not overrule it either
    assert any(words in reason for reason in decision.reasons), decision.reasons
    assert journal.decisions(model.name, DecisionKind.TRAINING) == [decision]


def test_decide_training_on_good_folds_is_granted(model, hours, journal) -> None:
    assert decide(model, hours, journal).accepted


def test_decide_training_without_any_row_is_refused_by_its_history(model, hours, journal) -> None:
    decision = decide(model, hours.clear(), journal)
    assert not decision.accepted
    assert "too little history: 0 labelled rows" in decision.reasons[1]


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (0, LOAD_HOURS, "have the label 7"),
        (0, LOAD_HOURS - 90 * 24 - 3, "has 2633 training rows, all with the label 7"),
        (LOAD_HOURS - 30 * 24 - 4, LOAD_HOURS, "hold-out have the label 7"),
    ],
)
def test_decide_training_on_a_number_that_does_not_change_is_a_recorded_refusal(journal, first, last, words) -> None:
    load = make_load(LOAD_HOURS)
    values = load["Load"].to_numpy().copy()
    values[first:last] = 7
    decision = decide(load_yaml(LOAD), load.with_columns(Load=pl.Series(values)), journal, now=LOAD_NOW)
    assert not decision.accepted
    assert any(words in reason for reason in decision.reasons), decision.reasons


def test_fold_problems_of_a_sliding_window_names_each_fold_with_too_few_rows(model, change) -> None:
    model = change(change(model, "train", window="10d"), "train.backtest", min_train_rows=100)
    hours = np.arange(DAYS * 24)
    times = np.datetime64(START.replace(tzinfo=None), "us") + hours[
        ~((hours > 158 * 24) & (hours < 169 * 24))
    ] * np.timedelta64(1, "h")
    (fault,) = fold_problems(model, times, np.arange(len(times)) % 2)
    assert fault.startswith("fold 1 of the backtest")
    assert "training rows, wanted 100" in fault
