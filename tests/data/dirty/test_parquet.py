"""Parquet, good and bad."""

import io
import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from almanac.config.sections.formats import ParquetFormat
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


def _arrow(name: str, values: pa.Array) -> bytes:
    """With one column as Arrow makes it."""
    table = JUNE.with_columns(UTC_TIME).to_arrow(compat_level=pl.CompatLevel.oldest())
    stream = io.BytesIO()
    place = table.schema.get_field_index(name)
    pq.write_table(table.append_column(name, values) if place < 0 else table.set_column(place, name, values), stream)
    return stream.getvalue()


def _latin_1(large: bool) -> pa.Array:
    """One text of many whose bytes are not UTF-8, as a writer that trusts its source makes it."""
    texts = [b"T\xe4mpere" if row == 400 else b"Turku" for row in range(JUNE.height)]
    kind = pa.large_binary() if large else pa.binary()
    return pa.array(texts, kind).view(pa.large_string() if large else pa.string())


def _instants(unit: str, zone: str, **odd: int) -> pa.Array:
    values = JUNE.select(UTC_TIME.dt.epoch(unit))["Timestamp"].to_list()
    values[5] = odd.get("at_5", values[5])
    return pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))


def _doubled(name: str) -> bytes:
    table = JUNE.with_columns(UTC_TIME).to_arrow(compat_level=pl.CompatLevel.oldest())
    stream = io.BytesIO()
    pq.write_table(table.append_column(name, table.column(0)).append_column(name, table.column(0)), stream)
    return stream.getvalue()


_DECIMALS = pa.array([Decimal("1013.25")] * JUNE.height, pa.decimal256(50, 2))

CASES = {
    "parquet with a text that is not utf-8": _Parquet(
        lambda: _arrow("Location", _latin_1(False)), "rejected", "Location: not string, as the file says.*UTF8"
    ),
    "parquet with a large text that is not utf-8": _Parquet(
        lambda: _arrow("Weather_conditions", _latin_1(True)), "rejected", "Weather_conditions: not large_string"
    ),
    "parquet with a category that is not utf-8": _Parquet(
        lambda: _arrow("Location", _latin_1(False).dictionary_encode()), "rejected", "Location: not "
    ),
    "parquet with a time in the year 294000": _Parquet(
        lambda: _arrow("Timestamp", _instants("us", "UTC", at_5=9_214_646_400_000_000_000)),
        (719, 1),
        "Timestamp.type: 1",
    ),
    "parquet with a time before the year 1": _Parquet(
        lambda: _arrow("Timestamp", _instants("ms", "UTC", at_5=-(1 << 62))), (719, 1), "Timestamp.type: 1"
    ),
    "parquet with the first nanosecond": _Parquet(
        lambda: _arrow("Timestamp", _instants("ns", "UTC", at_5=-(1 << 63) + 1)), (719, 1), "Timestamp.past: 1"
    ),
    "parquet with 256 bits": _Parquet(
        lambda: _arrow("Pressure_millibars", _DECIMALS), "rejected", r"too many digits; got decimal256\(50, 2\)"
    ),
    "parquet with an unknown zone": _Parquet(
        lambda: _arrow("Timestamp", _instants("us", "Mars/Olympus")),
        "rejected",
        "unknown time zone; got 'Mars/Olympus'",
    ),
    "parquet with an offset as zone": _Parquet(lambda: _arrow("Timestamp", _instants("us", "+02:00")), ALL),
    "parquet with text views": _Parquet(
        lambda: _arrow("Location", pa.array(JUNE["Location"].to_list(), pa.string_view())), ALL
    ),
    "parquet with a declared column twice": _Parquet(lambda: _doubled("Humidity"), "rejected", "given twice"),
    "parquet with an undeclared column twice": _Parquet(lambda: _doubled("Gust"), ALL, "unknown column dropped: Gust"),
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
        "Timestamp: other type; got int64",
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
