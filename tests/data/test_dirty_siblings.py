"""Files of the same families as the dirty ones, made from synthetic weather: each gets its verdict, with its reason."""

import codecs
import gzip
import io
import json
import math
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.weather_files import TIMESTAMP_FORMAT
from demo.weather_generator import generate_month
from include.config.formats import CsvFormat, JsonLinesFormat, ParquetFormat
from include.config.schema import Model
from tests.data.installation import Site

JUNE = generate_month(2023, 6)
CSV = JUNE.write_csv()
HEADER, *LINES = CSV.splitlines(keepends=True)
NOW = datetime(2023, 7, 1, 12, tzinfo=UTC)
ROWS = JUNE.height


def _csv(*changes: pl.Expr, **writing: object) -> bytes:
    return JUNE.with_columns(*changes).write_csv(**writing).encode()  # type: ignore[arg-type]


def _cells(column: str, values: dict[int, str]) -> bytes:
    """The file with other texts in some cells of a column, by row from 0."""
    text = JUNE[column].cast(pl.String).scatter(list(values), list(values.values()))
    return JUNE.with_columns(text.alias(column)).write_csv().encode()


def _times(shown: str, zone: str = "Europe/Helsinki") -> bytes:
    utc = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
    return _csv(utc.dt.convert_time_zone(zone).dt.strftime(shown).alias("Timestamp"))


def _shifted(hours: int) -> bytes:
    utc = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
    return _csv(utc.dt.offset_by(f"{hours}h").dt.strftime("%Y-%m-%d %H:%M:%S+00:00").alias("Timestamp"))


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def _scaled(factor: float, added: float, *columns: str) -> bytes:
    return _csv(*((pl.col(name) * factor + added).round(4) for name in columns))


def _swapped() -> bytes:
    utc = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
    swapped = pl.when(utc.dt.day() <= 12).then(utc.dt.strftime("%Y-%d-%m %H:%M:%S+00:00"))
    return _csv(swapped.otherwise(utc.dt.strftime("%Y-%m-%d %H:%M:%S+00:00")).alias("Timestamp"))


def _half(column: str, since: pl.Expr, before: pl.Expr, at: int = 400) -> bytes:
    """The file with another column from a row on."""
    return _csv(pl.when(pl.int_range(pl.len()) >= at).then(since).otherwise(before).alias(column))


def _first(column: str, *values: float) -> pl.Expr:
    """The column with other values in its first rows."""
    values_first = [*values, *JUNE[column].to_list()[len(values) :]]
    return pl.Series(column, values_first, pl.Float64).implode().explode()


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("weather.csv")
        member.size = len(CSV.encode())
        archive.addfile(member, io.BytesIO(CSV.encode()))
    return packed.getvalue()


def _damaged_parquet() -> bytes:
    """With the checksums that few writers write."""
    stream = io.BytesIO()
    table = JUNE.with_columns(UTC_TIME).to_arrow()
    pq.write_table(table, stream, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(stream.getvalue())
    content[len(content) // 2] ^= 1
    return bytes(content)


_NO_NUMBERS = ("0x1F", "1_0", "\u22125.2", "\uff11\uff12", "True", "1,5", "--5", "5 5", "12 C")
_NO_TIMES = (
    "2023-06-05T25:00:00+00:00", "2023-02-30T00:00:00Z", "2023-06-05T00:00:00+25:00",
    "2023-06-05", "0000-00-00 00:00:00+00:00", "20230605T000000Z", "2023-06-05 00:00:00 Europe/Helsinki",
)  # fmt: skip
UTC_TIME = pl.col("Timestamp").str.to_datetime(TIMESTAMP_FORMAT, time_zone="UTC")
ZSTD = pa.Codec("zstd").compress(CSV.encode(), asbytes=True)
DETECT = CsvFormat(detect=True)
COMMA = JUNE.write_csv(separator=";", decimal_comma=True).encode()
ALL = (ROWS, 0)
NONE = (0, 0)


@dataclass(frozen=True)
class Case:
    content: Callable[[], bytes]
    rows: tuple[int, int] | str  # published and quarantined; or `rejected`, `waits`, `empty`
    said: str = ""
    name: str = "weather_2023-06.csv"
    format: object = field(default_factory=CsvFormat)


def _line(at: int, text: str) -> bytes:
    return "".join([HEADER, *LINES[:at], text, *LINES[at:]]).encode()


def _replaced(at: int, text: str) -> bytes:
    return "".join([HEADER, *LINES[:at], text, *LINES[at + 1 :]]).encode()


CASES = {
    # the file as bytes
    "as it should be": Case(lambda: CSV.encode(), ALL),
    "windows line ends": Case(lambda: CSV.replace("\n", "\r\n").encode(), ALL),
    "mixed line ends": Case(lambda: CSV.replace("\n", "\r\n", 300).encode(), ALL),
    "old mac line ends": Case(lambda: CSV.replace("\n", "\r").encode(), ALL),
    "mark inside": Case(lambda: _line(10, "\ufeff" + LINES[10]), (ROWS, 1), "Timestamp.type"),
    "utf-16": Case(lambda: CSV.encode("utf-16"), "rejected", "UTF-16 text"),
    "utf-16 detected": Case(lambda: CSV.encode("utf-16"), ALL, "detected", format=DETECT),
    "utf-16 without mark": Case(lambda: CSV.encode("utf-16-le"), "rejected", "NUL byte"),
    "utf-16 declared": Case(lambda: CSV.encode("utf-16"), ALL, format=CsvFormat(encoding="utf-16")),
    "latin-1": Case(lambda: CSV.replace("Port", "Hafen Süd").encode("latin-1"), "rejected", "line 2: not UTF-8"),
    "latin-1 declared": Case(
        lambda: CSV.replace("Port", "Hafen Süd").encode("latin-1"),
        ALL,
        "Location.categories: .*Hafen Süd",
        format=CsvFormat(encoding="latin-1"),
    ),
    "latin-1 detected": Case(lambda: CSV.replace("Port", "Süd").encode("latin-1"), ALL, "cp1252", format=DETECT),
    "one byte of another encoding": Case(
        lambda: CSV.encode().replace(b"Port", b"P\xf6rt", 1), "rejected", "line 2: not UTF-8; got byte 0xf6"
    ),
    "nul in a cell": Case(lambda: CSV.encode().replace(b"rain", b"ra\0n", 1), "rejected", "NUL byte"),
    "only nul": Case(lambda: b"\0" * 4096, "rejected", "NUL byte"),
    "blank": Case(lambda: b"\n \n\n", "rejected", "empty file"),
    "only a mark": Case(lambda: codecs.BOM_UTF8, "rejected", "empty file"),
    "utf-16 of the other order detected": Case(
        lambda: codecs.BOM_UTF16_BE + CSV.encode("utf-16-be"), ALL, "detected", format=DETECT
    ),
    "utf-32": Case(lambda: CSV.encode("utf-32"), "rejected", "first bytes of UTF-32", format=DETECT),
    "read as latin-1 and written again": Case(
        lambda: CSV.replace("Port", "Süd".encode().decode("latin-1")).encode(), ALL, "Location.categories: .*SÃ¼d"
    ),
    "nul behind the end": Case(lambda: CSV.encode() + b"\0" * 512, "rejected", "line 722: NUL byte"),
    "old excel": Case(lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 500, "rejected", "old Excel"),
    "database": Case(lambda: b"SQLite format 3\0" + b"\0" * 500, "rejected", "first bytes of SQLite"),
    "archive called gzip": Case(_archive, "rejected", "first bytes of a tar archive", name="w.csv.gz"),
    "gzip of gzip": Case(
        lambda: gzip.compress(gzip.compress(CSV.encode())), "rejected", "first bytes of gzip", name="w.csv.gz"
    ),
    "zstd bomb": Case(
        lambda: pa.Codec("zstd").compress(b"0" * (3 << 20), asbytes=True),
        "rejected",
        "after unpacking",
        name="w.csv.zst",
    ),
    "json called csv": Case(lambda: JUNE.write_ndjson().encode(), "rejected", "this is JSON, no CSV"),
    "json array called csv": Case(lambda: JUNE.write_json().encode(), "rejected", "this is JSON, no CSV"),
    "zip": Case(lambda: b"PK\x03\x04" + b"x" * 100, "rejected", "ZIP or Excel"),
    "page of an error": Case(lambda: b"<html><body>502</body></html>\n", "rejected", "this is XML or HTML, no CSV"),
    "cut in the header": Case(lambda: CSV[:60].encode(), "waits", "incomplete file"),
    "cut in a record": Case(lambda: CSV[:-25].encode(), "waits", "incomplete file"),
    # packing
    "gzip": Case(lambda: gzip.compress(CSV.encode()), ALL, name="w.csv.gz"),
    "gzip of two members": Case(
        lambda: gzip.compress(CSV[:9000].encode()) + gzip.compress(CSV[9000:].encode()), ALL, name="w.csv.gz"
    ),
    "zstd": Case(lambda: ZSTD, ALL, name="w.csv.zst"),
    "gzip called csv": Case(lambda: gzip.compress(CSV.encode()), "rejected", "first bytes of gzip"),
    "csv called gzip": Case(lambda: CSV.encode(), "rejected", "not gzip, as its name says", name="w.csv.gz"),
    "gzip cut": Case(lambda: gzip.compress(CSV.encode())[:-900], "waits", "ends too early", name="w.csv.gz"),
    "zstd cut": Case(lambda: ZSTD[:-900], "waits", "incomplete|short", name="w.csv.zst"),
    "gzip with garbage behind": Case(
        lambda: gzip.compress(CSV.encode()) + b"garbage", "rejected", "cannot be unpacked", name="w.csv.gz"
    ),
    "gzip damaged": Case(
        lambda: (packed := bytearray(gzip.compress(CSV.encode()))).__setitem__(400, packed[400] ^ 255) or bytes(packed),
        "rejected",
        "cannot be unpacked|not UTF-8|NUL",
        name="w.csv.gz",
    ),
    "gzip of nothing": Case(lambda: gzip.compress(b""), "rejected", "empty file", name="w.csv.gz"),
    "nothing called gzip": Case(lambda: b"", "rejected", "empty file", name="w.csv.gz"),
    "gzip bomb": Case(lambda: gzip.compress(b"0" * (3 << 20)), "rejected", "after unpacking", name="w.csv.gz"),
    # header and records
    "columns in another order": Case(lambda: JUNE.select(sorted(JUNE.columns)).write_csv().encode(), ALL),
    "unnamed column in front": Case(
        lambda: JUNE.with_row_index("").write_csv().encode(), ALL, r"unknown column dropped: \(without a name\)"
    ),
    "column twice": Case(
        lambda: CSV.replace("Location", "Humidity", 1).encode(), "rejected", "required column missing: Location"
    ),
    "declared column twice": Case(
        lambda: _csv(pl.col("Humidity").alias("again")).replace(b"again", b"Humidity", 1), "rejected", "given twice"
    ),
    "other case": Case(lambda: CSV.replace("Humidity", "humidity", 1).encode(), "rejected", "differ only in case"),
    "spaces in the header": Case(lambda: CSV.replace(",Humidity,", ", Humidity ,", 1).encode(), ALL),
    "quoted header": Case(lambda: _csv(quote_style="always"), ALL),
    "renamed column": Case(lambda: CSV.replace("Humidity", "RH", 1).encode(), "rejected", "missing: Humidity"),
    "one header cell missing": Case(
        lambda: CSV.replace(",Weather_conditions", "", 1).encode(), "rejected", "missing: Weather_conditions"
    ),
    "header again in the middle": Case(lambda: _line(300, HEADER), (ROWS, 1), "Timestamp.type: 1"),
    "comment above": Case(lambda: b"# station 7\n" + CSV.encode(), "rejected", "the header stands on line 2"),
    "titles and a blank line above": Case(
        lambda: b"Weather,,,,\nJune 2023,,,,\n\n" + CSV.encode(), "rejected", "the header stands on line 4"
    ),
    "line for excel above": Case(lambda: b"sep=,\n" + CSV.encode(), "rejected", "the header stands on line 2"),
    "total below": Case(lambda: CSV.encode() + b"Total: 720 rows\n", (ROWS, 1), "file.record: 1"),
    "spaces and delimiters below": Case(
        lambda: CSV.encode() + b"   \n" + b",,,,,,,,,\n" * 3, ALL, "blank records dropped: 4"
    ),
    "all of it twice": Case(lambda: CSV.encode() * 2, (ROWS, 1), "rows equal to another row of the batch dropped: 720"),
    "no line end below": Case(lambda: CSV[:-1].encode(), ALL, "the last record has no line end"),
    "one record": Case(lambda: (HEADER + LINES[0]).encode(), (1, 0)),
    "delimiter at the end of every line": Case(
        lambda: CSV.replace("\n", ",\n").encode(), ALL, r"unknown column dropped: \(without a name\)"
    ),
    "delimiter at the end of every record": Case(
        lambda: (HEADER + "".join(f"{line.strip()},\n" for line in LINES)).encode(),
        "rejected",
        "The first is record 1: got '2023-06-01 .*,', expected a record with the columns of the header",
    ),
    "single quotes": Case(lambda: CSV.replace('"', "'").encode(), "rejected", "file.record 720.*'Port of Turku"),
    "quotes in quotes": Case(
        lambda: CSV.replace("Port of", 'Port ""of""').encode(), ALL, 'Location.categories: other shares: Port "of"'
    ),
    "comment in the middle": Case(lambda: _line(300, "# moved\n"), (ROWS, 1), "file.record: 1"),
    "short record": Case(lambda: _replaced(300, "2023-06-14 00:00:00+03:00,x\n"), (ROWS - 1, 1), "file.record: 1"),
    "long record": Case(lambda: _replaced(300, LINES[300].strip() + ",x\n"), (ROWS - 1, 1), "file.record: 1"),
    "all records too long": Case(
        lambda: (HEADER + "".join(f"{line.strip()},x\n" for line in LINES)).encode(), "rejected", "file.record 720"
    ),
    "blank lines": Case(lambda: CSV.replace("\n", "\n\n").encode(), ALL, "blank records dropped: 72[01]"),
    "very long cell": Case(lambda: CSV.replace("Port", "P" * 100_000, 1).encode(), (ROWS - 1, 1), "file.record: 1"),
    "line break in quotes": Case(
        lambda: CSV.replace('"Port of', '"Port\nof').encode(), ALL, "categories: other shares: Port\nof"
    ),
    "delimiter in quotes": Case(
        lambda: CSV.replace('"Port of', '"Port; of').encode(), ALL, "categories: other shares: Port; of Turku"
    ),
    "one quote too many": Case(lambda: CSV.replace("rain", '"rain', 1).encode(), "rejected", "quotes do not match"),
    "semicolons and commas": Case(lambda: COMMA, "rejected", "wrong delimiter; got ';'"),
    "semicolons and commas detected": Case(lambda: COMMA, ALL, "detected: delimiter ';', decimal ','", format=DETECT),
    "tabs detected": Case(lambda: _csv(separator="\t"), ALL, "detected", format=DETECT),
    "no header": Case(lambda: "".join(LINES).encode(), "rejected", "header is data"),
    "header alone": Case(lambda: HEADER.encode(), "empty"),
    # cells
    "decimal comma in one column": Case(
        lambda: _csv(
            pl.format("{}", pl.col("Humidity").cast(pl.String).str.replace(".", ",", literal=True)).alias("Humidity")
        ),
        "rejected",
        "Humidity.type 7",
    ),
    "signs of thousands": Case(lambda: _cells("Pressure_millibars", {5: "1,013.2", 6: "1 013.2"}), (718, 2), "type: 2"),
    "spellings of numbers": Case(
        lambda: _cells(
            "Temperature_C",
            dict(enumerate(["+5.2", "1.2e1", " 12.5 ", "12.", ".5", "-0.0", *_NO_NUMBERS])),
        ),
        (ROWS - len(_NO_NUMBERS), len(_NO_NUMBERS)),
        f"Temperature_C.type: {len(_NO_NUMBERS)}",
    ),
    "spellings of whole numbers": Case(
        lambda: _cells("Wind_bearing_degrees", dict(enumerate(["251.0", "+12", "0012", "-0", "251.5", "1e400"]))),
        (718, 2),
        "Wind_bearing_degrees.type: 2",
    ),
    "words for nothing": Case(
        lambda: _cells("Humidity", dict(enumerate(["NA", "NULL", "-", " ", ""]))), (715, 5), "Humidity.type: 4"
    ),
    "declared words for nothing": Case(
        lambda: _cells("Humidity", dict(enumerate(["NA", "NULL", "-", ""]))),
        (716, 4),
        "Humidity.null: 3",
        format=CsvFormat(nulls=("NA", "-")),
    ),
    "signs of percent": Case(
        lambda: _csv(pl.format("{}%", (pl.col("Humidity") * 100).round(0)).alias("Humidity")),
        "rejected",
        "Humidity.type 720. The first is record 1: got '88.0%', expected a finite number",
    ),
    "signs of thousands everywhere": Case(
        lambda: _csv(pl.format("1,0{}", (pl.col("Humidity") * 100).round(1)).alias("Pressure_millibars")),
        "rejected",
        "Pressure_millibars.type 720. The first is record 1: got '1,088.0'",
    ),
    "not finite": Case(
        lambda: _cells("Temperature_C", {1: "inf", 2: "-inf", 3: "NaN", 4: "1e400", 5: "-999", 6: "9999"}),
        (714, 6),
        "Temperature_C.type: 4",
    ),
    "sentinels everywhere": Case(lambda: _csv(pl.lit("-9999").alias("Pressure_millibars")), "rejected", "range 720"),
    "empty column": Case(lambda: _csv(pl.lit(None).alias("Humidity")), "rejected", "Humidity.null 720"),
    "text in a number": Case(lambda: _cells("Humidity", {0: "ERR", 1: "0.5%", 2: "—"}), (717, 3), "Humidity.type: 3"),
    "category in another case": Case(
        lambda: CSV.replace(",rain", ",Rain", 3).replace(",clear", ", clear", 2).encode(), (715, 5), "values: 5"
    ),
    "formula": Case(lambda: CSV.replace(",rain", ",=HYPERLINK(1)", 1).encode(), (719, 1), "values: 1"),
    # time
    "without offset": Case(lambda: _times("%Y-%m-%d %H:%M:%S"), "rejected", "timestamp without offset"),
    "zulu": Case(lambda: _times("%Y-%m-%dT%H:%M:%SZ", "UTC"), ALL),
    "offset without colon": Case(lambda: _times("%Y-%m-%dT%H:%M:%S%z"), ALL),
    "seconds since 1970": Case(
        lambda: _csv(UTC_TIME.dt.epoch("s").alias("Timestamp")), "rejected", "Timestamp.type 720"
    ),
    "milliseconds since 1970": Case(
        lambda: _csv(UTC_TIME.dt.epoch("ms").alias("Timestamp")), "rejected", "got '1685577600000', expected a time"
    ),
    "twelve hours a half day": Case(
        lambda: _times("%Y-%m-%d %I:%M:%S %p%:z"), "rejected", "got '2023-06-01 03:00:00 AM.*', expected a time"
    ),
    "first days with the day before the month": Case(
        lambda: _half("Timestamp", pl.col("Timestamp"), UTC_TIME.dt.strftime("%d/%m/%Y %H:%M"), 300),
        (420, 300),
        "Timestamp.type: 300",
    ),
    "offset changes inside": Case(
        lambda: _half(
            "Timestamp",
            UTC_TIME.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            UTC_TIME.dt.convert_time_zone("Asia/Kolkata").dt.strftime("%Y-%m-%d %H:%M:%S%:z"),
        ),
        ALL,
    ),
    "times that there are not": Case(
        lambda: _cells("Timestamp", dict(enumerate(_NO_TIMES))),
        (ROWS - len(_NO_TIMES), len(_NO_TIMES)),
        f"Timestamp.type: {len(_NO_TIMES)}",
    ),
    "every tenth row": Case(
        lambda: JUNE.gather_every(10).write_csv().encode(), (72, 0), "Timestamp.gaps: 639 of 711 steps are missing"
    ),
    "ten times as many rows": Case(
        lambda: (
            pl.concat(
                JUNE.with_columns(
                    (UTC_TIME + pl.duration(minutes=m)).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("Timestamp")
                )
                for m in range(0, 60, 6)
            )
            .write_csv()
            .encode()
        ),
        (7200, 0),
        "Timestamp.dense: 7200 rows in 720 steps",
    ),
    "two places, one key": Case(
        lambda: (CSV + "".join(LINES).replace("Turku", "Hamina")).encode(), "rejected", "key.conflict 1440"
    ),
    "columns swapped": Case(
        lambda: JUNE.rename({"Humidity": "Visibility_km", "Visibility_km": "Humidity"}).write_csv().encode(),
        "rejected",
        "Humidity.range 7",
    ),
    "day before month": Case(lambda: _times("%d.%m.%Y %H:%M"), "rejected", "Timestamp.type 720"),
    "some from the future": Case(
        lambda: CSV.replace("2023-06-20", "2099-06-20").encode(), (696, 24), "Timestamp.future: 24"
    ),
    "some from 1970": Case(lambda: CSV.replace("2023-06-20", "1970-01-01").encode(), (696, 24), "Timestamp.past: 24"),
    "month and day swapped": Case(_swapped, "", "Timestamp.gaps|Timestamp.future"),
    "backwards": Case(lambda: (HEADER + "".join(reversed(LINES))).encode(), ALL),
    "two hours early": Case(
        lambda: _shifted(-2), (ROWS, 0), r"Temperature_C.rhythm: the daily rhythm is -[12]\.\d hours"
    ),
    # values
    "fahrenheit": Case(lambda: _scaled(1.8, 32, "Temperature_C"), "rejected", r"Temperature_C.unit: .*\(°F\)"),
    "kelvin": Case(lambda: _scaled(1, 273.15, "Temperature_C"), "rejected", r"Temperature_C.unit: .*\(K\)"),
    "kilopascal": Case(
        lambda: _scaled(0.1, 0, "Pressure_millibars"), "rejected", r"Pressure_millibars.unit: .*\(kPa\)"
    ),
    "percent": Case(lambda: _scaled(100, 0, "Humidity"), "rejected", "Humidity.unit: .*100 times"),
    "metres per second": Case(
        lambda: _scaled(1 / 3.6, 0, "Wind_speed_kmph"), "rejected", r"Wind_speed_kmph.unit: .*m/s"
    ),
    "stuck sensor": Case(lambda: _csv(pl.lit(17.3).alias("Temperature_C")), "rejected", "Temperature_C.stuck"),
    "fahrenheit from the middle on": Case(
        lambda: _csv(
            pl.when(pl.int_range(pl.len()) >= 400)
            .then(pl.col("Apparent_Temperature_C") * 1.8 + 32)
            .otherwise(pl.col("Apparent_Temperature_C"))
            .alias("Apparent_Temperature_C")
        ),
        "rejected",
        r"Apparent_Temperature_C.unit: seems to be in another unit \(°F\) from 2023-06-19",
    ),
    "percent up to the middle": Case(
        lambda: _half("Humidity", pl.col("Humidity"), pl.col("Humidity") * 100),
        "rejected",
        r"Humidity.unit: seems to be in another unit \(100 times its unit\) before 2023-06-1[67]",
    ),
    "kilopascal from the middle on": Case(
        lambda: _half("Pressure_millibars", pl.col("Pressure_millibars") / 10, pl.col("Pressure_millibars")),
        "rejected",
        r"Pressure_millibars.unit: .*\(kPa\) from",
    ),
    "stuck from the middle on": Case(
        lambda: _half("Temperature_C", pl.lit(17.3), pl.col("Temperature_C")),
        ALL,
        r"Temperature_C.flat: 17.3 stands for 13 days, .* without a change from 2023-06-17",
    ),
    "one class only": Case(
        lambda: _csv(pl.lit("snow").alias("Weather_conditions")), ALL, "Weather_conditions.categories"
    ),
    # other formats
    "json lines": Case(lambda: JUNE.write_ndjson().encode(), ALL, name="w.jsonl", format=JsonLinesFormat()),
    "json lines packed": Case(
        lambda: gzip.compress(JUNE.write_ndjson().encode()), ALL, name="w.jsonl.gz", format=JsonLinesFormat()
    ),
    "json lines with junk": Case(
        lambda: (JUNE.write_ndjson() + '{"a": 1, "a": 2}\n[1]\nnope\n').encode(),
        (ROWS, 3),
        "file.record: 3",
        name="w.jsonl",
        format=JsonLinesFormat(),
    ),
    "json lines cut": Case(
        lambda: JUNE.write_ndjson().encode()[:-30], "waits", "incomplete", name="w.jsonl", format=JsonLinesFormat()
    ),
    "json lines with a mark and windows' line ends": Case(
        lambda: codecs.BOM_UTF8 + JUNE.write_ndjson().replace("\n", "\r\n").encode(),
        ALL,
        "mark stripped",
        name="w.jsonl",
        format=JsonLinesFormat(),
    ),
    "json lines without some names": Case(
        lambda: re.sub('"Humidity":[0-9.]+,', "", JUNE.write_ndjson(), count=3).encode(),
        (717, 3),
        "Humidity.null: 3",
        name="w.jsonl",
        format=JsonLinesFormat(),
    ),
    "json lines of texts, and one too deep": Case(
        lambda: (re.sub(":([0-9.]+)([,}])", r':"\1"\2', JUNE.write_ndjson()) + "[" * 100_000 + "\n").encode(),
        (ROWS, 1),
        "file.record: 1",
        name="w.jsonl",
        format=JsonLinesFormat(),
    ),
    "json in one array": Case(
        lambda: json.dumps(JUNE.head(2).to_dicts()).encode(),
        "rejected",
        "not JSON lines",
        name="w.jsonl",
        format=JsonLinesFormat(),
    ),
    "csv called json lines": Case(
        lambda: CSV.encode(), "rejected", "not JSON lines", name="w.jsonl", format=JsonLinesFormat()
    ),
    "parquet": Case(lambda: _parquet(JUNE.with_columns(UTC_TIME)), ALL, name="w.parquet", format=ParquetFormat()),
    "parquet of texts": Case(lambda: _parquet(JUNE.cast(pl.String)), ALL, name="w.parquet", format=ParquetFormat()),
    "parquet of categories": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, pl.col("Weather_conditions").cast(pl.Categorical))),
        ALL,
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet in other precision and zone": Case(
        lambda: _parquet(
            JUNE.with_columns(
                UTC_TIME.dt.cast_time_unit("ns").dt.convert_time_zone("Asia/Tokyo"),
                pl.col("Humidity").cast(pl.Decimal(10, 4)),
                pl.col("Visibility_km").cast(pl.Float32),
            )
        ),
        ALL,
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet with no number and no end": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, _first("Humidity", math.nan, math.inf, -math.inf))),
        (717, 3),
        "Humidity.type: 3",
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet without rows": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME).clear()), "empty", name="w.parquet", format=ParquetFormat()
    ),
    "parquet of seconds since 1970": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME.dt.epoch("s"))),
        "rejected",
        "Timestamp: other type; got Int64",
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet whose page is damaged": Case(
        _damaged_parquet,
        "rejected",
        "damaged: its Parquet pages cannot be read: .*CRC",
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet of local times": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME.dt.replace_time_zone(None))),
        "rejected",
        "timestamp without offset",
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet of another type": Case(
        lambda: _parquet(JUNE.with_columns(UTC_TIME, Humidity=pl.col("Humidity") > 0.5)),
        "rejected",
        "Humidity: other type",
        name="w.parquet",
        format=ParquetFormat(),
    ),
    "parquet cut": Case(
        lambda: _parquet(JUNE)[:-100], "waits", "footer cannot be read", name="w.parquet", format=ParquetFormat()
    ),
    "csv called parquet": Case(
        lambda: CSV.encode(), "rejected", "not Parquet", name="w.parquet", format=ParquetFormat()
    ),
    "parquet called csv": Case(lambda: _parquet(JUNE), "rejected", "first bytes of Parquet"),
}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, weather: Model) -> Path:
    """An installation that holds the Junes of two earlier years."""
    root = tmp_path_factory.mktemp("history")
    site = Site(root, weather)
    for year in (2021, 2022):
        site.land(f"weather_{year}-06.csv", generate_month(year, 6).write_csv())
    assert site.ingest(now=NOW).published_rows == 1440
    return root


@pytest.mark.parametrize("name", CASES)
def test_dirty_sibling_gets_its_verdict(name: str, history: Path, tmp_path: Path, weather: Model) -> None:
    case = CASES[name]
    shutil.copytree(history, tmp_path / "home")
    patterns = {"patterns": ("*.csv*", "*.jsonl*", "*.parquet"), "format": case.format, "max_unpacked_mb": 2}
    model = weather.model_copy(update={"source": weather.source.model_copy(update=patterns)})
    site = Site(tmp_path / "home", model)
    landed = site.landing / case.name
    site.land(case.name, case.content())
    os.utime(landed, (NOW.timestamp(), NOW.timestamp()))
    summary = site.ingest(now=NOW)
    records = [one for one in site.journal.batches("weather") if one.uri == str(landed)]
    said = [*summary.waiting]
    for record in records:
        said += [*record.reasons, *record.warnings, *(f"{rule}: {n}" for rule, n in record.broken_rules.items())]
    if summary.rejected:
        verdict: object = "rejected"
    elif summary.waiting:
        verdict = "waits"
    elif summary.empty:
        verdict = "empty"
    else:
        verdict = (summary.published_rows, summary.quarantined_rows)
    assert case.rows in ("", verdict), (verdict, said)
    assert any(re.search(case.said, line) for line in said) if case.said else not said, (verdict, said)
    rows = site.dataset.read()
    assert rows["Timestamp"].n_unique() == rows.height == 1440 + summary.published_rows
