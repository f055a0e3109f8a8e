"""Figures of numbers, as computed by hand."""

import numpy as np
import pytest

from almanac.statistics.metrics import UndefinedMetricError, gain, measure, measure_all


def test_metrics_of_numbers_are_as_computed_by_hand() -> None:
    true, predicted = np.array([1.0, 2.0, 4.0, 5.0]), np.array([2.0, 2.0, 2.0, 6.0])
    found = measure_all(true, predicted, ("rmse", "mae", "bias", "r2", "smape"))
    assert found["rmse"] == pytest.approx(np.sqrt(6 / 4))
    assert found["mae"] == pytest.approx(1.0)
    assert found["bias"] == pytest.approx(0.0)
    assert found["r2"] == pytest.approx(1 - 6 / 10)
    assert found["smape"] == pytest.approx(200 / 4 * (1 / 3 + 0 + 2 / 6 + 1 / 11))


def test_smape_of_a_nought_predicted_as_nought_is_no_miss() -> None:
    assert measure("smape", np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.0


@pytest.mark.parametrize("metric", ["rmse", "mae", "bias", "r2", "smape"])
def test_metric_of_a_number_that_is_none_is_undefined(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="1 of 2 rows have no label or no prediction"):
        measure(metric, np.array([0.0, 1.0]), np.array([np.nan, 1.0]))


def test_r2_of_equal_labels_is_undefined() -> None:
    with pytest.raises(UndefinedMetricError, match="r2"):
        measure("r2", np.ones(3), np.array([1.0, 2.0, 3.0]))


def test_gain_of_bias_takes_the_one_nearer_to_nought() -> None:
    assert gain("bias", -1.0, 3.0) == 2.0
    assert gain("bias", -5.0, 3.0) == -2.0
