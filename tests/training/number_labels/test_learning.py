"""A number is learned: once, in epochs, and continued."""

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError
from almanac.statistics.metrics import measure
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.fit.candidates import build_pipeline
from almanac.training.fit.continuation import Parent, continue_champion
from almanac.training.fit.fitting import fit_watched, predict
from almanac.training.fit.selection import CandidateSelection
from almanac.training.train import train_candidate
from tests.training.number_labels.load import HOURS, LOAD, NOW, START, load_yaml


def test_train_of_a_number_beats_the_baselines_and_keeps_floats(model, candidate) -> None:
    assert candidate.selection.name == "ridge"
    assert candidate.rows["label"].dtype == pl.Float64
    assert candidate.metrics.holdout["rmse"] < candidate.metrics.baselines["day_ago"]["rmse"] / 2
    assert candidate.parity.holdout.label_agreement == 1.0


def test_train_of_a_number_with_one_value_is_refused(model, frame) -> None:
    with pytest.raises(DataError, match="have one label"):
        train_candidate(model, frame.with_columns(Load=pl.lit(3.0)), now=NOW)


def test_unknown_number_of_the_label_is_no_label(model, frame) -> None:
    holes = pl.when(pl.int_range(pl.len()) % 50 == 10).then(float("nan")).otherwise("Load").alias("Load")
    rows = labelled_rows(model, frame.with_columns(holes), now=NOW)
    assert len(rows) == HOURS - 4 - HOURS // 50
    assert np.isfinite(rows.labels).all()


@pytest.mark.parametrize("estimator", ["linear_model.SGDRegressor", "neural_network.MLPRegressor"])
def test_number_learned_in_epochs_is_watched(frame, estimator) -> None:
    declared = {"estimator": f"sklearn.{estimator}", "scale": True, "learning": {"epochs": 12, "stuck": None}}
    model = load_yaml(LOAD, train={"candidates": {"one": declared}})
    rows = labelled_rows(model, frame, now=NOW)
    pipeline, curve = fit_watched(model, "one", None, rows, np.arange(3000))
    losses = [epoch.validation_loss for epoch in curve.epochs]
    assert losses[curve.kept] == min(losses)
    assert losses[curve.kept] < losses[0]
    predicted, truth = predict(pipeline, rows.values[2700:3000]), rows.labels[2700:3000]
    teaching = rows.labels[: 2700 - 4]
    assert float(np.mean((predicted - truth) ** 2)) / float(teaching.var()) == pytest.approx(min(losses), rel=0.02)


def test_number_that_learns_nothing_is_stuck(frame) -> None:
    blind = {"estimator": "sklearn.linear_model.SGDRegressor", "scale": True, "params": {"eta0": 1.0e-9}}
    model = load_yaml(LOAD, train={"candidates": {"one": {**blind, "learning": {"epochs": 20, "stuck": 3}}}})
    rows = labelled_rows(model, frame, now=NOW)
    _, curve = fit_watched(model, "one", None, rows, np.arange(2000))
    assert (curve.rule, len(curve.epochs)) == ("stuck", 3)


def test_continued_regressor_learns_numbers(frame) -> None:
    sgd = {"estimator": "sklearn.linear_model.SGDRegressor", "scale": True}
    model = load_yaml(LOAD, train={"mode": "incremental", "candidates": {"sgd": sgd}})
    rows = labelled_rows(model, frame, now=NOW)
    pipeline = build_pipeline(model, "sgd").fit(rows.values[:500], rows.labels[:500])
    parent = Parent("1", model, CandidateSelection("sgd", {}), START, START, pipeline)
    continued = continue_champion(parent, rows, np.arange(500, 3000))
    before, after = (
        measure("rmse", rows.labels[3000:], predict(one, rows.values[3000:])) for one in (pipeline, continued)
    )
    assert after < before
