"""Gates that judge a number, each refusing alone."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError
from almanac.release.gates import GATES, Evaluation, judge
from almanac.release.gates.evaluation import Reference
from almanac.release.gates.numbers import half_width
from tests.release.gates.evaluations import refused
from tests.training.number_labels.load import LOAD, load_yaml

SEGMENTS = {"by": "hour_of_day", "metric": "rmse", "min_rows": 20}

BEST = Reference("4", "the best of the last year")


def evaluation(candidate, **changes) -> Evaluation:
    known = Evaluation(candidate.rows, candidate.parity, train_metrics=candidate.metrics.train, leaks=candidate.leaks)
    return replace(known, **changes)


def stops(model, given: Evaluation) -> set[str]:
    """The gates that refuse or ask, beside those that want a graph that is served."""
    results = judge(model, given)
    return (set(refused(results)) | {one.name for one in results if one.ask}) - {"contract", "budget"}


def in_holdout(expression: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("fold") == 2).then(expression).otherwise("answer").alias("answer")


def test_gates_let_a_good_number_through(model, candidate) -> None:
    assert stops(model, evaluation(candidate)) == set()


def test_numbers_that_are_too_low_are_refused_by_calibration_alone(model, candidate, monkeypatch) -> None:
    low = evaluation(candidate, backtest=candidate.rows.with_columns(pl.col("answer") - 30))
    assert stops(model, low) == {"calibration[bias]"}
    monkeypatch.delitem(GATES, "calibration")
    assert stops(model, low) == set()


def test_numbers_less_sure_than_they_were_are_refused_by_their_interval_alone(model, candidate, monkeypatch) -> None:
    noise = pl.Series(np.random.default_rng(1).normal(0, 30, candidate.rows.height))
    unsure = evaluation(candidate, backtest=candidate.rows.with_columns(in_holdout(pl.col("answer") + noise)))
    assert stops(load_yaml(LOAD, gates={"segments": {**SEGMENTS, "max_loss": 1e3}}), unsure) == {
        "calibration[interval]"
    }


def test_continued_number_is_tested_on_the_newer_half_of_its_holdout(model, candidate) -> None:
    holdout = candidate.rows.filter(pl.col("fold") == 2)
    noise = pl.Series(np.random.default_rng(1).normal(0, 40, holdout.height))
    later = pl.when(pl.int_range(pl.len()) >= pl.len() // 2).then(noise).otherwise(0.0)
    of_one = evaluation(candidate, backtest=holdout)
    assert "calibration[interval]" not in refused(judge(model, of_one))
    worse = evaluation(candidate, backtest=holdout.with_columns(pl.col("answer") + later))
    assert "of 360 later ones" in refused(judge(model, worse))["calibration[interval]"]


def test_interval_from_too_few_rows_is_refused() -> None:
    with pytest.raises(DataError, match="5 rows are too few for an interval of 90%"):
        half_width(pl.DataFrame({"label": [0.0] * 5, "answer": [1.0] * 5}), 0.9)


def test_half_width_is_the_conformal_quantile() -> None:
    rows = pl.DataFrame({"label": [0.0] * 19, "answer": [float(miss) for miss in range(1, 20)]})
    assert half_width(rows, 0.9) == 18.0  # ceil(20 * 0.9) = 18th smallest


def test_numbers_far_from_the_champions_ask_a_person(model, candidate) -> None:
    answers = candidate.rows.filter(pl.col("fold") == 2)["answer"].to_numpy()
    other = np.where(np.arange(len(answers)) % 3 == 0, answers + 80, answers)
    given = evaluation(candidate, champion="4", champion_predictions=other, best=BEST)
    assert stops(model, given) == {"variation"}
    assert "get a number far from that of champion 4" in str(judge(model, given))


def test_worse_than_the_champion_by_rmse_is_refused_alone(model, candidate) -> None:
    rows = candidate.rows.filter(pl.col("fold") == 2)
    nearer = (rows["answer"] + (rows["label"] - rows["answer"]) * 0.3).to_numpy()
    assert stops(model, evaluation(candidate, champion="4", champion_predictions=nearer, best=BEST)) == {
        "champion[rmse]"
    }
