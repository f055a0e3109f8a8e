"""The raw weather file, cut into months: 96,453 rows with the faults that they really have."""

from pathlib import Path

import polars as pl
import pytest

from almanac.config.schema import Model
from bench.real_weather import cut_months
from tests.data.installation import Site
from tests.data.real_data import REAL_DATA

RAW = REAL_DATA / "weather" / "weather_dataset_raw.csv.gz"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.exists(), reason="needs the folder of real data: set ALMANAC_REAL_DATA"),
]


@pytest.mark.slow  # 132 files, a minute
def test_ingest_real_weather_publishes_every_good_row_once(tmp_path: Path, weather: Model) -> None:
    # the sensor of pressure was dead for 237 of the 744 hours of December 2014
    patient = weather.model_copy(update={"dataset": weather.dataset.model_copy(update={"max_bad_share": 0.5})})
    site = Site(tmp_path, patient)
    assert len(cut_months(RAW, site.landing)) == 132
    summary = site.ingest()
    bad = site.quarantined()
    by_rule = dict(bad["rules"].explode().value_counts().iter_rows())
    assert by_rule == {"Pressure_millibars.range": 1288, "Humidity.range": 22, "Weather_conditions.null": 1}
    assert bad.height == 1311, "no row has two of these faults"
    assert (summary.published_batches, summary.rejected, summary.waiting) == (132, (), ())
    assert summary.dropped_rows == 24
    assert summary.published_rows == summary.dataset_rows == 96_453 - 24 - 1311 == 95_118
    warned = {
        (record.uri[-11:-4], text.split(":")[0])
        for record in site.journal.batches("weather")
        for text in record.warnings
        if "dropped" not in text
    }
    dead = ("2007-10", "2012-06", "2014-12", "2015-01", "2015-09")  # the sensor of pressure, for days on end
    stood_still = ("2016-10", "Visibility_km.flat")  # at 0 for 193 hours
    expected = {*((month, "Pressure_millibars.change_point") for month in dead), stood_still}
    assert warned == expected, "and nothing else in eleven years"
    rows = site.dataset.read()
    assert rows["Timestamp"].n_unique() == 95_118
    assert rows["Timestamp"].is_sorted()
    assert (summary.window_start, summary.window_end) == ("2005-12-31T23:00:00+00:00", "2016-12-31T23:00:00+00:00")
    raw = pl.read_csv(RAW, infer_schema=False).with_columns(
        pl.col("Pressure_millibars", "Humidity", "Temperature_C").cast(pl.Float64)
    )
    sound = raw.filter(
        pl.col("Pressure_millibars") != 0, pl.col("Humidity") != 0, pl.col("Weather_conditions").is_not_null()
    )
    good = sound.unique(subset=[name for name in raw.columns if name != "S_No"])
    for column in ("Pressure_millibars", "Humidity", "Temperature_C"):
        assert sorted(rows[column]) == sorted(good[column])


def test_ingest_real_december_2014_is_rejected_with_the_default_share(tmp_path: Path, weather: Model) -> None:
    strict = weather.model_copy(update={"dataset": weather.dataset.model_copy(update={"max_bad_share": 0.2})})
    site = Site(tmp_path, strict)
    months = tmp_path / "months"
    months.mkdir()
    cut_months(RAW, months)
    (months / "weather_2014-12.csv").rename(site.landing / "weather_2014-12.csv")
    (rejected,) = site.ingest().rejected
    assert "237 of 744 rows are bad (31.9%)" in rejected.reasons[0]
    assert "Pressure_millibars.range 237" in rejected.reasons[0]
