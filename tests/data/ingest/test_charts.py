import math

import polars as pl
import pytest

from almanac.data.ingest.charts import _draw, _Values

FINITE = [1.7e308, -1.7e308, 1e300, 0.0, 5e-324, 1.0]


@pytest.mark.parametrize("bad", [["1e400"], ["-1.7e308"], ["nan"], []])
def test_chart_of_any_finite_numbers_is_drawn(bad: list[str]) -> None:
    chart = _draw(_Values("x", pl.Series(FINITE), pl.Series(bad, dtype=pl.String), ()))
    assert sum(bar.good for bar in chart.bars) == len(FINITE)
    assert all(math.isfinite(place) for place, _, _ in chart.ticks)
