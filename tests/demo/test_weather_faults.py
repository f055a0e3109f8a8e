from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from almanac.sample.weather_generator import generate_hours
from demo.weather_faults import (
    BAD_VALUES,
    with_bad_rows,
    with_drifting_sensor,
    with_stuck_sensor,
    with_unit_change,
    without_column,
)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return generate_hours(datetime(2021, 3, 1, tzinfo=UTC), 31 * 24)


def test_with_bad_rows_counts_say_what_is_in_the_frame(frame):
    spoiled, counts = with_bad_rows(frame, 30, seed=5)

    assert sum(counts.values()) == 30
    assert set(counts) == set(BAD_VALUES)
    for kind, (column, texts) in BAD_VALUES.items():
        assert spoiled[column].is_in(texts).sum() == counts[kind]
        assert counts[kind] >= 7


def test_with_bad_rows_spoils_that_many_different_rows_once(frame):
    spoiled, _ = with_bad_rows(frame, 30, seed=5)
    as_text = frame.cast(pl.String)
    changes = pl.DataFrame({c: spoiled[c].cast(pl.String) != as_text[c] for c in frame.columns})
    per_row = changes.sum_horizontal()

    assert (per_row == 1).sum() == 30
    assert (per_row == 0).sum() == frame.height - 30


def test_with_bad_rows_same_seed_spoils_the_same_rows(frame):
    assert_frame_equal(with_bad_rows(frame, seed=5)[0], with_bad_rows(frame, seed=5)[0])
    assert not with_bad_rows(frame, seed=5)[0].equals(with_bad_rows(frame, seed=6)[0])


def test_with_bad_rows_leaves_the_frame_given_as_it_was(frame):
    before = frame.clone()
    with_bad_rows(frame)

    assert_frame_equal(frame, before)


def test_with_bad_rows_none_counts_none(frame):
    assert set(with_bad_rows(frame, 0)[1].values()) == {0}


@pytest.mark.parametrize("n", [-1, 31 * 24 + 1])
def test_with_bad_rows_more_than_there_are_is_refused(frame, n):
    with pytest.raises(ValueError, match=f"n: got {n}, expected 0 to 744"):
        with_bad_rows(frame, n)


def test_without_column_leaves_the_others(frame):
    assert without_column(frame, "Humidity").columns == [c for c in frame.columns if c != "Humidity"]


def test_without_column_unknown_is_refused(frame):
    with pytest.raises(ValueError, match="got 'Rain', expected one of Timestamp"):
        without_column(frame, "Rain")


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [("Temperature_C", 20.0, 68.0), ("Pressure_millibars", 1016.0, 101.6), ("Wind_speed_kmph", 36.0, 10.0)],
)
def test_with_unit_change_converts(column, before, after):
    assert with_unit_change(pl.DataFrame({column: [before]}), column)[column].to_list() == [after]


def test_with_unit_change_column_without_other_unit_is_refused(frame):
    with pytest.raises(ValueError, match="with_unit_change: column: got 'Location'"):
        with_unit_change(frame, "Location")


def test_with_stuck_sensor_repeats_one_value(frame):
    stuck = with_stuck_sensor(frame, "Humidity", 100, 48)

    assert stuck["Humidity"][100:148].to_list() == [frame["Humidity"][100]] * 48
    assert stuck["Humidity"][:100].equals(frame["Humidity"][:100])
    assert stuck["Humidity"][148:].equals(frame["Humidity"][148:])


def test_with_stuck_sensor_row_outside_is_refused(frame):
    with pytest.raises(ValueError, match="got start_row 744"):
        with_stuck_sensor(frame, "Humidity", 744, 1)


def test_with_drifting_sensor_adds_more_each_day(frame):
    error = with_drifting_sensor(frame, "Temperature_C", 0.5)["Temperature_C"] - frame["Temperature_C"]

    assert error[0] == 0.0
    assert error[240] == pytest.approx(5.0, abs=0.011)


def test_with_drifting_sensor_stays_plausible(frame):
    assert with_drifting_sensor(frame, "Humidity", 0.1)["Humidity"].max() == 1.0


def test_with_drifting_sensor_column_without_limits_is_refused(frame):
    with pytest.raises(ValueError, match="with_drifting_sensor: column: got 'Weather_conditions'"):
        with_drifting_sensor(frame, "Weather_conditions", 1.0)
