"""Known answers of fifty years of daily weather; see bench/noaa_retraining.py."""

import numpy as np
import pytest

from almanac.training.backtest.backtest import labelled_rows
from bench.noaa_retraining import NOAA, declared, read, replay

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not NOAA.exists(), reason=f"no real data at {NOAA}"),
]


@pytest.fixture(scope="module")
def frame():
    return read()


def test_noaa_persistence_is_right_on_68_percent_of_days(frame) -> None:
    rows = labelled_rows(declared(), frame, now=frame["Day"].max())
    assert len(rows) == 18_159
    assert rows.labels.mean() == pytest.approx(0.314, abs=5e-4)
    known = ~np.isnan(rows.state_now)
    assert (rows.state_now == rows.labels)[known].mean() == pytest.approx(0.680, abs=5e-4)


@pytest.mark.slow
def test_noaa_retraining_gains_over_a_model_that_is_trained_once(frame) -> None:
    curve = replay(frame)
    assert curve.accuracy("static") == pytest.approx(0.780, abs=0.002)
    assert curve.accuracy("retrained") == pytest.approx(0.790, abs=0.002)
    assert curve.gain("retrained", over="static").low > 0
    assert curve.gain("sliding", over="static").low > 0
