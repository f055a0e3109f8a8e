"""Times in the formats that a column may declare: what is read, what is not, and that what is written is read back."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.config.sections.dataset import Column
from almanac.data.ingest.times import read_times, write_times


def column(**how: object) -> Column:
    return Column.model_validate({"type": "timestamp", **how})


def read(texts: list[str | None], **how: object) -> list[str | None]:
    frame = pl.DataFrame({"time": texts}, schema={"time": pl.String})
    times = frame.select(read_times(pl.col("time"), column(**how)).alias("time"))["time"]
    assert times.dtype == pl.Datetime("us", "UTC")
    return [None if time is None else time.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000") for time in times]


DAY_FIRST = {"format": "%d-%m-%Y", "timezone": "UTC"}
TWO_DIGITS = {"format": "%d.%m.%y", "timezone": "UTC"}


@pytest.mark.parametrize(
    ("how", "text", "expected"),
    [
        ({}, "2021-01-31T23:00:00+02:00", "2021-01-31 21:00:00"),
        ({}, "2021-01-31", None),
        ({"timezone": "Asia/Kolkata"}, "2021-01-31", "2021-01-30 18:30:00"),
        (DAY_FIRST, "05-02-2010", "2010-02-05 00:00:00"),
        (DAY_FIRST, "5-2-2010", "2010-02-05 00:00:00"),
        (DAY_FIRST, "02-13-2010", None),
        (DAY_FIRST, "2010-02-05", None),
        (DAY_FIRST, "05-02-2010 10:00", None),
        ({"format": "%d/%m/%Y %H", "timezone": "UTC"}, "05/02/2010 7", "2010-02-05 07:00:00"),
        ({"format": "%m/%d/%Y %I:%M %p", "timezone": "America/New_York"}, "01/02/2021 03:04 PM", "2021-01-02 20:04:00"),
        ({"format": "%m/%d/%Y %I:%M %p", "timezone": "UTC"}, "01/02/2021 12:00 AM", "2021-01-02 00:00:00"),
        ({"format": "%Y%m%d", "timezone": "UTC"}, "20210101", "2021-01-01 00:00:00"),
        ({"format": "%Y-%j", "timezone": "UTC"}, "2021-032", "2021-02-01 00:00:00"),
        ({"format": "%d-%b-%Y", "timezone": "UTC"}, "01-JAN-2021", "2021-01-01 00:00:00"),
        ({"format": "%Y/%m/%d %H:%M:%S.%f", "timezone": "UTC"}, "2021/01/01 00:00:00.25", "2021-01-01 00:00:00.250000"),
        ({"format": "%d/%m/%Y %H:%M %z"}, "28/03/2021 02:30 +0200", "2021-03-28 00:30:00"),
        (DAY_FIRST, "05-02-10", None),  # not the year 10
        (TWO_DIGITS, "01.02.68", "2068-02-01 00:00:00"),
        (TWO_DIGITS, "01.02.69", "1969-02-01 00:00:00"),
        ({**TWO_DIGITS, "pivot_year": 30}, "29.02.00", "2000-02-29 00:00:00"),
        ({**TWO_DIGITS, "pivot_year": 30}, "01.02.68", "1968-02-01 00:00:00"),
        ({**TWO_DIGITS, "pivot_year": 0}, "29.02.00", None),  # 1900 was no leap year
        ({**TWO_DIGITS, "pivot_year": 100}, "01.02.99", "2099-02-01 00:00:00"),
        ({"format": "epoch s"}, "1635007556", "2021-10-23 16:45:56"),
        ({"format": "epoch s"}, "1635007556.25", "2021-10-23 16:45:56.250000"),
        ({"format": "epoch s"}, "-5", "1969-12-31 23:59:55"),
        ({"format": "epoch s"}, "1e30", None),
        ({"format": "epoch s"}, "nan", None),
        ({"format": "epoch ms"}, "1635007556123", "2021-10-23 16:45:56.123000"),
        ({"format": "epoch ms"}, str(2**63 - 1), None),
        ({"format": "epoch us"}, "1635007556123456", "2021-10-23 16:45:56.123456"),
        ({"format": "epoch ns"}, "1635007556123456789", "2021-10-23 16:45:56.123456"),
        ({"format": "epoch d"}, "18923", "2021-10-23 00:00:00"),
        ({"format": "excel", "timezone": "UTC"}, "44492.698564814816", "2021-10-23 16:45:56"),
        ({"format": "excel", "timezone": "Asia/Kolkata"}, "44492", "2021-10-22 18:30:00"),
        ({"format": "elapsed h", "origin": "2020-01-01T00:00:00Z"}, "1.5", "2020-01-01 01:30:00"),
        ({"format": "elapsed s", "origin": "2020-01-01T00:00:00+01:00"}, "0", "2019-12-31 23:00:00"),
        # what this clock never shows, and what it shows twice
        ({"format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}, "28.03.2021 02:30", None),
        ({"format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}, "31.10.2021 02:30", None),
    ],
)
def test_read_times_in_the_declared_format(how: dict[str, object], text: str, expected: str | None) -> None:
    assert read([text, None, f" {text} "], **how) == [expected, None, expected]


FORMATS: list[dict[str, object]] = [
    {},
    {"format": "%d/%m/%Y %H:%M:%S", "timezone": "Asia/Kolkata"},
    {"format": "%b %d %Y %I:%M:%S %p", "timezone": "UTC"},
    {"format": "%Y%m%d%H%M%S", "timezone": "UTC"},
    {"format": "%j/%Y %H:%M:%S.%f", "timezone": "UTC"},
    {"format": "%d.%m.%y %H:%M:%S", "timezone": "UTC", "pivot_year": 50},
    {"format": "%A, %d %B %Y %H:%M:%S %z"},
    *({"format": f"epoch {unit}"} for unit in ("s", "ms", "us", "d")),
    *({"format": f"elapsed {unit}", "origin": "1999-12-31T12:00:00Z"} for unit in ("s", "min", "h", "d")),
    {"format": "excel", "timezone": "Asia/Kolkata"},
]


@pytest.mark.parametrize("how", FORMATS, ids=lambda how: str(how.get("format", "iso")))
@given(seconds=st.lists(st.integers(-(19 * 365 * 86_400), 49 * 365 * 86_400), min_size=1, max_size=20))
def test_times_that_are_written_are_read_back(how: dict[str, object], seconds: list[int]) -> None:
    times = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=each) for each in seconds]
    declared = column(**how)
    frame = pl.DataFrame({"time": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    texts = frame.select(write_times(pl.col("time"), declared).alias("time"))
    back = texts.select(read_times(pl.col("time"), declared).alias("time"))["time"].to_list()
    tolerance = timedelta(microseconds=1)  # a count of days as a float
    assert all(read is not None and abs(read - time) <= tolerance for read, time in zip(back, times, strict=True))
