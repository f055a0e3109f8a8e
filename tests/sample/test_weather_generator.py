from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from almanac.sample import weather_generator
from almanac.sample.weather_generator import CHANGED_CLIMATE, COLUMNS, Climate, generate_hours, generate_month

START = datetime(2019, 1, 1, tzinfo=UTC)
FOUR_YEARS_H = 4 * 8766
FORMAT = "%Y-%m-%d %H:%M:%S%:z"


@pytest.fixture(scope="module")
def four_years() -> pl.DataFrame:
    return generate_hours(START, FOUR_YEARS_H)


def test_generate_hours_gives_the_columns_of_the_original_in_order():
    frame = generate_hours(START, 3)

    assert tuple(frame.columns) == COLUMNS
    assert frame["Wind_bearing_degrees"].dtype == pl.Int64
    assert frame["Location"].unique().to_list() == ["Port of Turku, Finland"]
    assert frame["Timestamp"][0] == "2019-01-01 02:00:00+02:00"


@settings(deadline=None, max_examples=40)
@given(
    first=st.integers(-30_000, 60_000),
    hours=st.integers(0, 20_000),
    share=st.floats(0, 1),
    seed=st.integers(0, 3),
    climate=st.sampled_from([Climate(), CHANGED_CLIMATE]),
)
def test_generate_hours_split_anywhere_gives_the_same_rows(first, hours, share, seed, climate):
    start, cut = START + timedelta(hours=first), int(hours * share)

    whole = generate_hours(start, hours, seed=seed, climate=climate)
    parts = [
        generate_hours(start, cut, seed=seed, climate=climate),
        generate_hours(start + timedelta(hours=cut), hours - cut, seed=seed, climate=climate),
    ]

    assert whole.height == hours
    assert_frame_equal(whole, pl.concat(parts), check_exact=True)


def test_generate_hours_without_its_cache_gives_the_same_rows():
    before = generate_hours(START, 100)
    weather_generator._block.cache_clear()

    assert_frame_equal(generate_hours(START, 100), before, check_exact=True)


def test_generate_hours_start_in_another_zone_gives_the_same_rows():
    there = datetime(2019, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert_frame_equal(generate_hours(there, 10), generate_hours(START, 10))


def test_generate_hours_follow_each_other_in_utc(four_years):
    time = four_years["Timestamp"].str.to_datetime(FORMAT, time_zone="UTC")

    assert time[0] == START
    assert (time.diff().drop_nulls() == timedelta(hours=1)).all()


def test_generate_hours_when_summer_time_begins_skips_one_local_hour():
    stamps = generate_hours(datetime(2021, 3, 28, 0, tzinfo=UTC), 2)["Timestamp"].to_list()

    assert stamps == ["2021-03-28 02:00:00+02:00", "2021-03-28 04:00:00+03:00"]


def test_generate_hours_when_summer_time_ends_repeats_one_local_hour():
    stamps = generate_hours(datetime(2021, 10, 31, 0, tzinfo=UTC), 2)["Timestamp"].to_list()

    assert stamps == ["2021-10-31 03:00:00+03:00", "2021-10-31 03:00:00+02:00"]


def test_generate_hours_another_seed_gives_other_weather():
    one, other = generate_hours(START, 500, seed=1), generate_hours(START, 500, seed=2)

    assert (one["Temperature_C"] == other["Temperature_C"]).mean() < 0.05
    assert one["Timestamp"].equals(other["Timestamp"])


@pytest.mark.parametrize(
    ("column", "mean", "deviation", "lowest", "highest"),
    [  # as published for the original; the tolerances below leave room for a seed
        ("Temperature_C", 11.9, 9.6, -21.8, 39.9),
        ("Humidity", 0.73, 0.20, 0.01, 1.0),
        ("Wind_speed_kmph", 10.8, 6.9, 0.0, 63.9),
        ("Visibility_km", 10.3, 4.2, 0.0, 16.1),
        ("Pressure_millibars", 1016.0, 7.5, 950.0, 1065.0),
    ],
)
def test_generate_hours_over_years_has_the_published_moments(four_years, column, mean, deviation, lowest, highest):
    values = four_years[column]

    assert values.mean() == pytest.approx(mean, abs=0.12 * deviation)
    assert values.std() == pytest.approx(deviation, rel=0.12)
    assert values.min() >= lowest
    assert values.max() <= highest


def test_generate_hours_over_years_wind_comes_from_everywhere(four_years):
    bearing = four_years["Wind_bearing_degrees"]

    assert (bearing.min(), bearing.max()) == (0, 359)
    assert bearing.n_unique() == 360


def test_generate_hours_over_years_rains_between_a_fifth_and_two_fifths(four_years):
    share = four_years["Weather_conditions"].value_counts(normalize=True)
    shares = dict(share.iter_rows())

    assert set(shares) == {"rain", "snow", "clear"}
    assert 0.2 < shares["rain"] < 0.4
    assert shares["snow"] > 0.01


def test_generate_hours_every_season_of_every_year_has_rain(four_years):
    time = pl.col("Timestamp").str.to_datetime(FORMAT, time_zone="UTC")
    season = ((time.dt.month() % 12) // 3).alias("season")
    rain = four_years.filter(pl.col("Weather_conditions") == "rain")
    hours = rain.group_by(time.dt.year().alias("year"), season).len().filter(pl.col("year") < 2023)

    assert hours.height == 16
    assert hours["len"].min() > 250


def test_generate_hours_before_rain_pressure_falls_and_humidity_rises(four_years):
    raining = pl.col("Weather_conditions") != "clear"
    onset = raining.shift(-4) & ~raining & ~raining.shift(-3).fill_null(False)
    change = four_years.with_columns(pressure=pl.col("Pressure_millibars").diff(6), humidity=pl.col("Humidity").diff(6))
    before, any_time = change.filter(onset), change

    assert before["pressure"].mean() < any_time["pressure"].mean() - 1.0
    assert before["humidity"].mean() > any_time["humidity"].mean() + 0.02


def test_generate_hours_a_block_joins_the_next_without_a_step(four_years):
    hour = START.timestamp() / 3600
    join = int(-(-hour // weather_generator.BLOCK_H) * weather_generator.BLOCK_H - hour)
    steps = four_years["Pressure_millibars"].diff().abs()

    assert steps[join] < steps.quantile(0.999)


@pytest.mark.parametrize("climate", [Climate(), CHANGED_CLIMATE])
def test_generate_hours_any_climate_stays_physically_plausible(climate):
    frame = generate_hours(START, 8766, climate=climate)

    for column, low, high in [
        ("Temperature_C", -60, 60),
        ("Apparent_Temperature_C", -60, 60),
        ("Humidity", 0, 1),
        ("Pressure_millibars", 870, 1085),
        ("Wind_speed_kmph", 0, 250),
        ("Visibility_km", 0, 50),
        ("Wind_bearing_degrees", 0, 360),
    ]:
        assert frame[column].is_between(low, high).all(), column
    assert frame.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(
    ("climate", "column", "shift"),
    [
        (Climate(warming_c=3.0), "Temperature_C", 3.0),
        (Climate(pressure_shift_hpa=5.0), "Pressure_millibars", 5.0),
        (Climate(humidity_shift=-0.1), "Humidity", -0.1),
    ],
)
def test_generate_hours_one_knob_moves_its_column(climate, column, shift):
    usual, changed = generate_hours(START, 2000), generate_hours(START, 2000, climate=climate)

    assert changed[column].mean() - usual[column].mean() == pytest.approx(shift, rel=0.15)


def test_generate_hours_baseline_start_is_refused():
    with pytest.raises(ValueError, match="start: got the naive 2021-01-01"):
        generate_hours(datetime(2021, 1, 1), 1)  # noqa: DTZ001


def test_generate_hours_start_within_an_hour_is_refused():
    with pytest.raises(ValueError, match="expected a full hour"):
        generate_hours(datetime(2021, 1, 1, 0, 30, tzinfo=UTC), 1)


def test_generate_hours_negative_hours_are_refused():
    with pytest.raises(ValueError, match="hours: got -1"):
        generate_hours(START, -1)


def test_generate_month_december_ends_with_the_year():
    december = generate_month(2021, 12)

    assert december.height == 31 * 24
    assert_frame_equal(december, generate_hours(datetime(2021, 12, 1, tzinfo=UTC), 31 * 24))
