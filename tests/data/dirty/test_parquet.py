"""Parquet, good and bad."""

import io
import math
from collections.abc import Callable
from functools import partial

import polars as pl
import pyarrow.parquet as pq
import pytest

from include.config.formats import ParquetFormat
from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV, JUNE, UTC_TIME

_Parquet = partial(Case, name="w.parquet", format=ParquetFormat())


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def _first(column: str, *values: float) -> pl.Expr:
    """The column with other values in its first rows."""
    values_first = [*values, *JUNE[column].to_list()[len(values) :]]
    return pl.Series(column, values_first, pl.Float64).implode().explode()


def _damaged_parquet() -> bytes:
    """With the checksums that few writers write."""
    stream = io.BytesIO()
    table = JUNE.with_columns(UTC_TIME).to_arrow()
    pq.write_table(table, stream, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(stream.getvalue())
    content[len(content) // 2] ^= 1
    return bytes(content)


CASES = {
    "parquet": _Parquet(lambda: _parquet(JUNE.with_columns(UTC_TIME)), ALL),
    "parquet of texts": _Parquet(lambda: _parquet(JUNE.cast(pl.String)), ALL),
    "parquet of categories": _Parquet(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, pl.col("Weather_conditions").cast(pl.Categorical))),
        ALL,
    ),
    "parquet in other precision and zone": _Parquet(
        lambda: _parquet(
            JUNE.with_columns(
                UTC_TIME.dt.cast_time_unit("ns").dt.convert_time_zone("Asia/Tokyo"),
                pl.col("Humidity").cast(pl.Decimal(10, 4)),
                pl.col("Visibility_km").cast(pl.Float32),
            )
        ),
        ALL,
    ),
    "parquet with no number and no end": _Parquet(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, _first("Humidity", math.nan, math.inf, -math.inf))),
        (717, 3),
        "Humidity.type: 3",
    ),
    "parquet without rows": _Parquet(lambda: _parquet(JUNE.with_columns(UTC_TIME).clear()), "empty"),
    "parquet of seconds since 1970": _Parquet(
        lambda: _parquet(JUNE.with_columns(UTC_TIME.dt.epoch("s"))),
        "rejected",
        "Timestamp: other type; got Int64",
    ),
    "parquet whose page is damaged": _Parquet(
        _damaged_parquet,
        "rejected",
        "damaged: its Parquet pages cannot be read: .*CRC",
    ),
    "parquet of local times": _Parquet(
        lambda: _parquet(JUNE.with_columns(UTC_TIME.dt.replace_time_zone(None))),
        "rejected",
        "timestamp without offset",
    ),
    "parquet of another type": _Parquet(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, Humidity=pl.col("Humidity") > 0.5)),
        "rejected",
        "Humidity: other type",
    ),
    "parquet cut": _Parquet(lambda: _parquet(JUNE)[:-100], "waits", "footer cannot be read"),
    "csv called parquet": _Parquet(lambda: CSV.encode(), "rejected", "not Parquet"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_parquet_gets_its_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
