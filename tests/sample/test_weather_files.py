from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from almanac.sample.weather_files import monthly_files, write_csv, write_month
from almanac.sample.weather_generator import COLUMNS, generate_hours, generate_month
from demo.weather_faults import with_bad_rows


def test_write_csv_read_again_gives_the_same_rows(tmp_path):
    frame = generate_month(2021, 2)
    path = write_csv(frame, tmp_path / "new" / "a.csv")

    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert_frame_equal(pl.read_csv(path), frame)


def test_write_csv_leaves_nothing_else(tmp_path):
    write_csv(generate_hours(datetime(2021, 1, 1, tzinfo=UTC), 2), tmp_path / "a.csv")

    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_write_csv_that_fails_leaves_the_old_file(tmp_path):
    path = write_csv(pl.DataFrame({"a": [1]}), tmp_path / "a.csv")
    cannot_be_csv = pl.DataFrame({"a": [[1, 2]]})

    with pytest.raises(pl.exceptions.ComputeError):
        write_csv(cannot_be_csv, path)

    assert path.read_text(encoding="utf-8") == "a\n1\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_monthly_files_over_a_new_year_cut_months_in_utc(tmp_path):
    paths = monthly_files(datetime(2020, 11, 1, tzinfo=UTC), 4, tmp_path)
    frames = [pl.read_csv(path) for path in paths]

    assert [p.name for p in paths] == [f"weather_{month}.csv" for month in ("2020-11", "2020-12", "2021-01", "2021-02")]
    assert frames[2]["Timestamp"][0] == "2021-01-01 02:00:00+02:00"
    assert [f.height for f in frames] == [30 * 24, 31 * 24, 31 * 24, 28 * 24]
    assert_frame_equal(pl.concat(frames), generate_hours(datetime(2020, 11, 1, tzinfo=UTC), 120 * 24))


def test_monthly_files_same_seed_writes_the_same_bytes(tmp_path):
    start = datetime(2021, 1, 1, tzinfo=UTC)
    (one,) = monthly_files(start, 1, tmp_path / "one")
    (other,) = monthly_files(start, 1, tmp_path / "other")

    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "start",
    [datetime(2021, 1, 2, tzinfo=UTC), datetime(2021, 1, 1)],  # noqa: DTZ001  # naive on purpose
)
def test_monthly_files_start_within_a_month_is_refused(tmp_path, start):
    with pytest.raises(ValueError, match="expected the beginning of a month in UTC"):
        monthly_files(start, 1, tmp_path)


def test_write_month_faulty_frame_is_named_after_its_month(tmp_path):
    spoiled, _ = with_bad_rows(generate_month(2024, 1))

    assert write_month(spoiled, tmp_path).name == "weather_2024-01.csv"


def test_write_month_rows_of_two_months_are_refused(tmp_path):
    frame = generate_hours(datetime(2021, 1, 31, 23, tzinfo=UTC), 2)

    with pytest.raises(ValueError, match="2021-01', '2021-02'"):
        write_month(frame, tmp_path)
