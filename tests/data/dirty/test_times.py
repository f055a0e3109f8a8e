"""Spellings of times, and rows whose times do not fit: lost offsets, gaps, swapped days, the future."""

from collections.abc import Callable

import polars as pl
import pytest

from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV, HEADER, JUNE, LINES, ROWS, UTC_TIME, cells, csv, half, times

_NO_TIMES = (
    "2023-06-05T25:00:00+00:00",
    "2023-02-30T00:00:00Z",
    "2023-06-05T00:00:00+25:00",
    "2023-06-05",
    "0000-00-00 00:00:00+00:00",
    "20230605T000000Z",
    "2023-06-05 00:00:00 Europe/Helsinki",
)


def _shifted(hours: int) -> bytes:
    return csv(UTC_TIME.dt.offset_by(f"{hours}h").dt.strftime("%Y-%m-%d %H:%M:%S+00:00").alias("Timestamp"))


def _swapped() -> bytes:
    swapped = pl.when(UTC_TIME.dt.day() <= 12).then(UTC_TIME.dt.strftime("%Y-%d-%m %H:%M:%S+00:00"))
    return csv(swapped.otherwise(UTC_TIME.dt.strftime("%Y-%m-%d %H:%M:%S+00:00")).alias("Timestamp"))


def _each_six_minutes() -> bytes:
    later = (
        JUNE.with_columns((UTC_TIME + pl.duration(minutes=m)).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("Timestamp"))
        for m in range(0, 60, 6)
    )
    return pl.concat(later).write_csv().encode()


CASES = {
    "without offset": Case(lambda: times("%Y-%m-%d %H:%M:%S"), "rejected", "timestamp without offset"),
    "zulu": Case(lambda: times("%Y-%m-%dT%H:%M:%SZ", "UTC"), ALL),
    "offset without colon": Case(lambda: times("%Y-%m-%dT%H:%M:%S%z"), ALL),
    "seconds since 1970": Case(
        lambda: csv(UTC_TIME.dt.epoch("s").alias("Timestamp")), "rejected", "Timestamp.type 720"
    ),
    "milliseconds since 1970": Case(
        lambda: csv(UTC_TIME.dt.epoch("ms").alias("Timestamp")), "rejected", "got '1685577600000', expected a time"
    ),
    "twelve hours a half day": Case(
        lambda: times("%Y-%m-%d %I:%M:%S %p%:z"), "rejected", "got '2023-06-01 03:00:00 AM.*', expected a time"
    ),
    "first days with the day before the month": Case(
        lambda: half("Timestamp", pl.col("Timestamp"), UTC_TIME.dt.strftime("%d/%m/%Y %H:%M"), 300),
        (420, 300),
        "Timestamp.type: 300",
    ),
    "offset changes inside": Case(
        lambda: half(
            "Timestamp",
            UTC_TIME.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            UTC_TIME.dt.convert_time_zone("Asia/Kolkata").dt.strftime("%Y-%m-%d %H:%M:%S%:z"),
        ),
        ALL,
    ),
    "times that there are not": Case(
        lambda: cells("Timestamp", dict(enumerate(_NO_TIMES))),
        (ROWS - len(_NO_TIMES), len(_NO_TIMES)),
        f"Timestamp.type: {len(_NO_TIMES)}",
    ),
    "every tenth row": Case(
        lambda: JUNE.gather_every(10).write_csv().encode(), (72, 0), "Timestamp.gaps: 639 of 711 steps are missing"
    ),
    "ten times as many rows": Case(_each_six_minutes, (7200, 0), "Timestamp.dense: 7200 rows in 720 steps"),
    "day before month": Case(lambda: times("%d.%m.%Y %H:%M"), "rejected", "Timestamp.type 720"),
    "some from the future": Case(
        lambda: CSV.replace("2023-06-20", "2099-06-20").encode(), (696, 24), "Timestamp.future: 24"
    ),
    "some from 1970": Case(lambda: CSV.replace("2023-06-20", "1970-01-01").encode(), (696, 24), "Timestamp.past: 24"),
    "month and day swapped": Case(_swapped, (576, 144), "Timestamp.gaps: 3648 of 4224 steps"),
    "backwards": Case(lambda: (HEADER + "".join(reversed(LINES))).encode(), ALL),
    "two hours early": Case(
        lambda: _shifted(-2), "rejected", r"Timestamp.offset: the days of Temperature_C, .* are all -[12]\.\d hours"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_times_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
