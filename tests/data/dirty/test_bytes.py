"""What files are made of: encodings, line ends, other kinds of file under a CSV's name, cut ends."""

import codecs
import io
from collections.abc import Callable

import pytest

from almanac.config.sections.formats import CsvFormat
from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV, JUNE, LINES, ROWS, line

_DETECT = CsvFormat(detect=True)


def _parquet() -> bytes:
    stream = io.BytesIO()
    JUNE.write_parquet(stream)
    return stream.getvalue()


CASES = {
    "as it should be": Case(lambda: CSV.encode(), ALL),
    "windows line ends": Case(lambda: CSV.replace("\n", "\r\n").encode(), ALL),
    "mixed line ends": Case(lambda: CSV.replace("\n", "\r\n", 300).encode(), ALL),
    "old mac line ends": Case(lambda: CSV.replace("\n", "\r").encode(), ALL),
    "mark inside": Case(lambda: line(10, "\ufeff" + LINES[10]), (ROWS, 1), "Timestamp.type"),
    "utf-16": Case(lambda: CSV.encode("utf-16"), "rejected", "UTF-16 text"),
    "utf-16 detected": Case(lambda: CSV.encode("utf-16"), ALL, "detected", format=_DETECT),
    "utf-16 without mark": Case(lambda: CSV.encode("utf-16-le"), "rejected", "NUL byte"),
    "utf-16 declared": Case(lambda: CSV.encode("utf-16"), ALL, format=CsvFormat(encoding="utf-16")),
    "latin-1": Case(lambda: CSV.replace("Port", "Hafen Süd").encode("latin-1"), "rejected", "line 2: not UTF-8"),
    "latin-1 declared": Case(
        lambda: CSV.replace("Port", "Hafen Süd").encode("latin-1"),
        ALL,
        "Location.categories: .*Hafen Süd",
        format=CsvFormat(encoding="latin-1"),
    ),
    "latin-1 detected": Case(lambda: CSV.replace("Port", "Süd").encode("latin-1"), ALL, "cp1252", format=_DETECT),
    "one byte of another encoding": Case(
        lambda: CSV.encode().replace(b"Port", b"P\xf6rt", 1), "rejected", "line 2: not UTF-8; got byte 0xf6"
    ),
    "nul in a cell": Case(lambda: CSV.encode().replace(b"rain", b"ra\0n", 1), "rejected", "NUL byte"),
    "only nul": Case(lambda: b"\0" * 4096, "rejected", "NUL byte"),
    "blank": Case(lambda: b"\n \n\n", "rejected", "empty file"),
    "only a mark": Case(lambda: codecs.BOM_UTF8, "rejected", "empty file"),
    "utf-16 of the other order detected": Case(
        lambda: codecs.BOM_UTF16_BE + CSV.encode("utf-16-be"), ALL, "detected", format=_DETECT
    ),
    "utf-32": Case(lambda: CSV.encode("utf-32"), "rejected", "first bytes of UTF-32", format=_DETECT),
    "read as latin-1 and written again": Case(
        lambda: CSV.replace("Port", "Süd".encode().decode("latin-1")).encode(), ALL, "Location.categories: .*SÃ¼d"
    ),
    "nul behind the end": Case(lambda: CSV.encode() + b"\0" * 512, "rejected", "line 722: NUL byte"),
    "old excel": Case(lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 500, "rejected", "old Excel"),
    "database": Case(lambda: b"SQLite format 3\0" + b"\0" * 500, "rejected", "first bytes of SQLite"),
    "json called csv": Case(lambda: JUNE.write_ndjson().encode(), "rejected", "this is JSON, not CSV"),
    "json array called csv": Case(lambda: JUNE.write_json().encode(), "rejected", "this is JSON, not CSV"),
    "zip": Case(lambda: b"PK\x03\x04" + b"x" * 100, "rejected", "ZIP or Excel"),
    "page of an error": Case(lambda: b"<html><body>502</body></html>\n", "rejected", "this is XML or HTML, not CSV"),
    "cut in the header": Case(lambda: CSV[:60].encode(), "waits", "incomplete file"),
    "cut in a record": Case(lambda: CSV[:-25].encode(), "waits", "incomplete file"),
    "parquet called csv": Case(_parquet, "rejected", "first bytes of Parquet"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bytes_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
