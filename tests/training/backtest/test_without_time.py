"""Training and judging of rows without a time: copies, customers, deliveries, and what would take the newest rows."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from almanac.config.grammar.arrival_columns import ARRIVAL, ARRIVAL_ROW
from almanac.features.split_groups import split_groups
from almanac.release.best_version import _problem
from almanac.release.gates import Evaluation
from almanac.release.gates.leak import leak
from almanac.statistics.bootstrap import paired_interval
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import last_part, split
from almanac.training.fit.continuation import Parent, continuation_problems, new_rows
from almanac.training.fit.fitting import _parted
from almanac.training.leaks import measure_leaks
from almanac.training.train import train_candidate
from tests.training.arrivals import FIRST, make_patients, patients_model

LATER = FIRST + timedelta(days=30)
NOW = FIRST + timedelta(days=60)
SGD = {"estimator": "sklearn.linear_model.SGDClassifier", "scale": True, "params": {"loss": "log_loss"}}
LEARNING = {"estimator": "sklearn.neural_network.MLPClassifier", "scale": True, "learning": {"epochs": 3}}


def delivered(frame: pl.DataFrame, at: datetime = FIRST) -> pl.DataFrame:
    """Rows as the dataset holds them."""
    arrival = pl.lit(at).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(arrival.alias(ARRIVAL), pl.format("row-{}", pl.int_range(pl.len())).alias(ARRIVAL_ROW))


def copies(count: int = 900) -> pl.DataFrame:
    """A third of the rows are copies of others, under other numbers."""
    rows = make_patients(count * 2 // 3)
    again = rows.sample(count // 3, seed=1, with_replacement=True)
    return pl.concat([rows, again]).with_columns(patient=pl.int_range(1, pl.len() + 1))


def leaks_of(model, frame: pl.DataFrame):
    rows = labelled_rows(model, delivered(frame), now=NOW)
    return measure_leaks(model, rows, split(model, rows.times, rows.groups)[-1])


def test_copies_of_a_row_without_a_key_are_on_one_side() -> None:
    columns = {name: {"type": "float"} for name in ("age", "pressure", "glucose")}
    columns["pressure"]["nullable"] = True
    text = {"type": "string", "values": ["yes", "no"], "nullable": True}
    model = patients_model(
        dataset={"key": [], "columns": {"ward": {"type": "string"}, **columns, "ill": text}},
        features=[{"column": "age"}, {"column": "pressure"}, {"column": "glucose"}],
    )
    report = leaks_of(model, copies().drop("patient").cast({"age": pl.Float64}))
    assert (report.repeated, report.same_features, report.duplicates) == (300, 0, 0)


def test_copies_under_keys_of_their_own_are_counted_and_refused() -> None:
    report = leaks_of(patients_model(), copies())
    assert report.repeated == 300
    assert report.same_features == report.duplicates > 0.05 * report.rows
    results = leak(patients_model(), Evaluation(pl.DataFrame(), None, leaks=report))
    (refused,) = [one for one in results if not one.passed]
    assert refused.name == "leak[duplicates]"
    assert f"whatever the label and by chance too: {report.same_features}; 300 labelled rows repeat" in refused.reason


def test_copies_with_another_label_are_counted_but_not_refused() -> None:
    other = copies().with_columns(ill=pl.when(pl.col("patient") > 600).then(pl.lit("yes")).otherwise("ill"))
    report = leaks_of(patients_model(), other)
    assert report.same_features > report.duplicates


def test_training_rows_of_a_group_never_judge() -> None:
    model = patients_model(dataset={"key": [], "group": ["patient"]})
    several = make_patients(1200).with_columns(patient=pl.col("patient") % 150)
    candidate = train_candidate(model, delivered(several), now=NOW)
    judged = candidate.rows.group_by("group").agg(pl.col("fold").n_unique())
    assert judged["fold"].max() == 1
    assert candidate.data.train_rows + candidate.data.holdout_rows == 1200


@pytest.fixture(name="continued", scope="module")
def _continued():
    """A champion of the first delivery, and the table after the second one."""
    model = patients_model(train={"candidates": {"sgd": SGD}})
    first = delivered(make_patients(600))
    trained = train_candidate(model, first, now=NOW)
    parent = Parent("1", model, trained.selection, trained.data.train_start, trained.data.train_end, trained.pipeline)
    table = pl.concat([first, delivered(make_patients(200, seed=2, first=601), LATER)])
    return model, parent, labelled_rows(model, table, now=NOW)


def test_champion_is_continued_on_what_has_arrived_since_beside_the_hold_out(continued) -> None:
    model, parent, rows = continued
    holdout = split(model, rows.times, rows.groups)[-1]
    assert continuation_problems(model, parent, holdout, rows.times) == []
    chosen = new_rows(parent, holdout, rows.times)
    assert set(rows.times[chosen].tolist()) == {LATER.replace(tzinfo=None)}
    assert 100 < len(chosen) < 200
    assert not set(chosen) & set(holdout.test)


def test_champion_is_not_continued_where_nothing_has_arrived(continued) -> None:
    model, parent, rows = continued
    old = rows.times < np.datetime64(LATER.replace(tzinfo=None))
    holdout = split(model, rows.times[old], rows.groups[old])[-1]
    (problem,) = continuation_problems(model, parent, holdout, rows.times[old])
    assert "beside the hold-out no labelled row has arrived since 2026-01-05 09:00 UTC" in problem


def test_champion_of_another_split_is_not_continued(continued) -> None:
    _, parent, rows = continued
    backtest = {"folds": 2, "share": 0.3, "min_train_rows": 200}
    other = patients_model(train={"candidates": {"sgd": SGD}, "backtest": backtest})
    holdout = split(other, rows.times, rows.groups)[-1]
    problems = continuation_problems(other, parent, holdout, rows.times)
    assert any(
        "the split has changed since version 1: it was trained on rows of the hold-out" in one for one in problems
    )


def test_epochs_are_watched_on_groups_that_do_not_teach() -> None:
    model = patients_model(dataset={"key": [], "group": ["patient"]}, train={"candidates": {"net": LEARNING}})
    several = delivered(make_patients(1200).with_columns(patient=pl.col("patient") % 150))
    rows = labelled_rows(model, several, now=NOW)
    teaching, measuring = (
        set(map(tuple, part[0].tolist()))
        for part in _parted(model, model.train.candidates["net"].learning.validation, rows, np.arange(1200))
    )
    assert not {row for row in teaching if row == row} & {row for row in measuring if row == row}
    groups = split_groups(model, several)
    chosen = last_part(np.arange(1200), groups, model.train.candidates["net"].learning.validation)
    assert len(measuring) == len(chosen)
    assert not set(groups[chosen]) & set(np.delete(groups, chosen))


def test_part_of_a_sorted_file_is_drawn_and_not_its_end() -> None:
    """Halving searches try candidates on a part of the rows: the end of a file that is sorted has one label only."""
    groups = split_groups(patients_model(), make_patients(4000))
    part = last_part(np.arange(4000), groups, 0.25)
    assert len(part) == pytest.approx(1000, rel=0.1)
    assert part.min() < 100
    assert last_part(np.arange(4000), None, 0.25).min() == 3000


def test_interval_of_one_delivery_is_drawn_by_groups() -> None:
    """By whole days it would have no width: a delivery is of one day, and every difference would be beyond chance."""
    draw = np.random.default_rng(1)
    label = draw.integers(0, 2, 200).astype(np.int8)
    answer, other = (
        np.where(draw.random(200) < 0.8, label, 1 - label),
        np.where(draw.random(200) < 0.8, label, 1 - label),
    )
    rows = pl.DataFrame({"time": [FIRST] * 200, "label": label, "answer": answer.astype(float)})
    settings = {"resamples": 200, "confidence": 0.95, "seed": 1}
    by_row, by_ten = (
        paired_interval("accuracy", rows.with_columns(group=groups), other.astype(float), **settings)
        for groups in (pl.Series(range(200)), pl.Series(np.arange(200) // 10))
    )
    assert by_row.high - by_row.low > 0.02
    assert by_row.high - by_row.low != by_ten.high - by_ten.low


@pytest.mark.parametrize(("of_version", "is_clean"), [("hold-out: 0.2 of the patient, by hash", True), ("", False)])
def test_best_version_of_another_split_is_skipped(of_version: str, is_clean: bool) -> None:
    graph, features = SimpleNamespace(features=(), code=""), SimpleNamespace(names=(), code="")
    data = SimpleNamespace(split=of_version, train_end=NOW)
    found = _problem(patients_model(), graph, features, data, Evaluation(pl.DataFrame(), None))
    assert found == ("" if is_clean else "is trained on rows of the hold-out, which it splits otherwise ()")
