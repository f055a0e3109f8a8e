"""Calibration and the gap between training rows and hold-out."""

import numpy as np
import polars as pl
import pytest

from almanac.errors import DataError
from almanac.release.gates import judge
from almanac.statistics.calibration import Bin, calibration_of
from tests.release.gates.evaluations import only, rows


def test_calibration_of_known_bins_is_the_mean_distance() -> None:
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 0], dtype=np.int8)
    probabilities = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9])
    found = calibration_of(labels, probabilities, bins=2)
    assert found.bins == (Bin(4, 0.1, 0.5), Bin(4, 0.9, 0.75))
    assert found.ece == pytest.approx((0.4 + 0.15) / 2)
    assert found.brier == pytest.approx((2 * 0.01 + 2 * 0.81 + 3 * 0.01 + 0.81) / 8)


def test_calibration_certainty_falls_into_the_last_bin() -> None:
    assert calibration_of(np.array([1, 0], np.int8), np.array([1.0, 0.0]), bins=10).ece == 0


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
def test_calibration_of_an_impossible_probability_is_an_error(value: float) -> None:
    with pytest.raises(DataError, match="got 1 of 2 probabilities NaN or outside"):
        calibration_of(np.array([1, 0], np.int8), np.array([0.5, value]), bins=10)


def test_calibration_brier_alone_refuses(weather, change, evaluate) -> None:
    model = change(weather, "gates.calibration", max_brier=0.05)
    assert "Brier score on the hold-out is 0.0896, wanted at most 0.05" in only(
        judge(model, evaluate()), "calibration[brier]"
    )


def test_calibration_of_few_rows_refuses(weather, change, evaluate) -> None:
    model = change(weather, "gates.calibration", min_rows=3000)
    assert only(judge(model, evaluate()), "calibration") == "the hold-out has 2160 rows, fewer than 3000"


def test_gap_names_both_figures(weather, change, evaluate) -> None:
    model = change(weather, "gates.gap", max_gap=0.05)
    reason = only(judge(model, evaluate(train_metrics={"f1_macro": 1.0})), "gap[f1_macro]")
    assert reason.startswith("f1_macro is 1.0000 on the training rows and 0.8")
    assert reason.endswith("wanted at most 0.0500")


def test_gap_of_log_loss_counts_the_other_way(weather, change, evaluate) -> None:
    model = change(weather, "gates.gap", metric="log_loss", max_gap=0.2)
    assert "0.1000 on the training rows" in only(
        judge(model, evaluate(train_metrics={"log_loss": 0.1})), "gap[log_loss]"
    )


def test_gap_better_on_the_holdout_passes(weather, evaluate) -> None:
    assert all(one.passed for one in judge(weather, evaluate(train_metrics={"f1_macro": 0.5})))


def test_gap_that_was_not_measured_refuses(weather, evaluate) -> None:
    reason = only(judge(weather, evaluate(train_metrics={})), "gap[f1_macro]")
    assert reason == "f1_macro on the training rows was not measured"


def test_calibration_survives_probabilities_in_one_bin(weather, change, evaluate) -> None:
    frame = rows().with_columns(pl.when(pl.col("answer") > 0.5).then(0.55).otherwise(0.45).alias("answer"))
    assert "off by 0.35" in only(judge(weather, evaluate(frame)), "calibration[ece]")
