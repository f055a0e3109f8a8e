"""A rare-positive model is never chosen on accuracy, on which whoever never says yes is best."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.errors import ConfigError
from almanac.release.gates import Evaluation, judge
from almanac.statistics.metrics import measure
from almanac.training.train import train_candidate
from tests.data.real_data import REAL_DATA
from tests.training.conftest import NOW

FRAUD = REAL_DATA / "fraud"
real_data = pytest.mark.skipif(not FRAUD.exists(), reason=f"no real data at {FRAUD}")


@pytest.mark.parametrize("place", ["train", "gates.baselines", "gates.champion"])
@pytest.mark.parametrize("share", [0.006, 0.97])
def test_declared_rare_label_refuses_accuracy(small, change, place: str, share: float) -> None:
    rare = change(small, "label", share=share)
    with pytest.raises(ValidationError, match=rf"{place}.metric: accuracy cannot choose where"):
        change(rare, place, metric="accuracy")


def test_declared_common_label_allows_accuracy(small, change) -> None:
    assert change(change(small, "label", share=0.4), "train", metric="accuracy").train.metric == "accuracy"


def test_train_on_rows_with_a_rare_label_refuses_accuracy(small, change, frame) -> None:
    model = change(small, "train", metric="accuracy")
    wet = (pl.int_range(pl.len()) % 100 == 0) & (pl.col("Weather_conditions") == "rain")
    dry = frame.with_columns(Weather_conditions=pl.when(wet).then(pl.lit("rain")).otherwise(pl.lit("clear")))
    with pytest.raises(ConfigError, match=r"train.metric: accuracy cannot choose where 0\.\d+% of the labels are 1"):
        train_candidate(model, dry, now=NOW)


@pytest.mark.real_data
@real_data
def test_constant_classifier_with_accuracy_99_is_refused_on_average_precision(small, change) -> None:
    fraud = pl.concat([pl.read_parquet(path) for path in sorted(FRAUD.glob("*.parquet"))])
    labels, never = fraud["TX_FRAUD"].to_numpy(), np.full(fraud.height, 0.006)
    assert measure("accuracy", labels, never) == pytest.approx(0.994, abs=0.001)
    backtest = fraud.select(
        time=pl.col("TX_DATETIME").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        fold=pl.lit(3),
        label=pl.col("TX_FRAUD"),
        answer=pl.lit(0.006),
        majority=pl.lit(0.006),
        persistence=pl.lit(0.006),
        stump=pl.when(pl.col("TX_AMOUNT") > 220).then(pl.lit(0.99)).otherwise(pl.lit(0.003)),
    )
    model = change(small, "gates", absolute={"average_precision": 0.2})
    model = change(model, "gates.baselines", metric="average_precision", kinds=("majority", "persistence", "stump"))
    results = {result.name: result for result in judge(model, Evaluation(backtest, None))}
    absolute, baselines = results["absolute[average_precision]"], results["baselines[average_precision]"]
    assert (absolute.passed, absolute.measured) == (False, pytest.approx(0.0059, abs=1e-4))
    assert not baselines.passed
    assert "worse than the best baseline (stump" in baselines.reason
