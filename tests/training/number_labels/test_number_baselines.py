"""The baselines that a number has to beat."""

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError
from almanac.release.gates import Evaluation, judge
from almanac.training.backtest.backtest import labelled_rows, subset
from almanac.training.backtest.folds import split
from almanac.training.backtest.number_baselines import predict_number_baselines
from almanac.training.train import train_candidate
from tests.release.gates.evaluations import refused
from tests.training.number_labels.load import LOAD, NOW, START, load_yaml


def test_number_baselines_repeat_what_the_label_was(model, frame) -> None:
    rows = labelled_rows(model, frame, now=NOW)
    fold = split(model, rows.times)[-1]
    test = subset(rows, fold.test)
    predicted = predict_number_baselines(subset(rows, fold.train), test).predictions
    load = dict(zip(frame["Hour"].to_list(), frame["Load"].to_list(), strict=True))
    first = test.times[0].astype("datetime64[us]").item().replace(tzinfo=START.tzinfo)
    step = frame["Hour"][1] - frame["Hour"][0]
    assert predicted["persistence"][0] == load[first]
    assert predicted["day_ago"][0] == load[first + 4 * step - 24 * step]
    assert predicted["mean"][0] == pytest.approx(rows.labels[fold.train].mean())
    assert np.isnan(predicted["year_ago"]).all()  # there is no year of history


def test_best_step_is_on_the_column_that_parts_best(model, frame) -> None:
    rows = labelled_rows(model, frame, now=NOW)
    fold = split(model, rows.times)[-1]
    assert predict_number_baselines(subset(rows, fold.train), subset(rows, fold.test)).stump.startswith(
        "Load_lag_20h > "
    )


def test_declared_rule_is_one_to_beat(frame) -> None:
    exact = frame.with_columns(pl.col("Load").shift(-4).fill_null(0).alias("Plan"))
    columns = {name: {"type": "float"} for name in ("Temperature", "Load", "Plan")} | {"Hour": {"type": "timestamp"}}
    rules = {"plan": "Plan + 1"}
    baselines = {"metric": "rmse", "margin": 5, "kinds": ["mean"], "rules": rules}
    model = load_yaml(LOAD, dataset={"columns": columns}, gates={"baselines": baselines})
    found = train_candidate(model, exact, now=NOW)
    assert found.metrics.baselines["plan"]["rmse"] == pytest.approx(1.0)
    reason = refused(judge(model, Evaluation(found.rows, found.parity, train_metrics=found.metrics.train)))[
        "baselines[rmse]"
    ]
    assert "worse than the best baseline (plan, 1.0000)" in reason


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"plan": "Load > 3"}, "gates.baselines.rules.plan: not a number; got 'Load > 3', expected a column"),
        ({"mean": "Load"}, "gates.baselines.rules: mean is built in"),
        ({"plan": "Nothing"}, "gates.baselines.rules.plan: no column 'Nothing'"),
    ],
)
def test_declared_rule_that_is_none_is_refused(rules, fault) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_yaml(LOAD, gates={"baselines": {"metric": "rmse", "margin": 5, "kinds": ["mean"], "rules": rules}})
