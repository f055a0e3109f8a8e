"""Headers, dialects, quotes, and records that have not the columns of the header."""

from collections.abc import Callable

import polars as pl
import pytest

from almanac.config.sections.formats import CsvFormat
from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV, HEADER, JUNE, LINES, ROWS, csv, line, replaced

_DETECT = CsvFormat(detect=True)
_COMMA = csv(separator=";", decimal_comma=True)


CASES = {
    "columns in another order": Case(lambda: JUNE.select(sorted(JUNE.columns)).write_csv().encode(), ALL),
    "unnamed column in front": Case(
        lambda: JUNE.with_row_index("").write_csv().encode(), ALL, r"unknown column dropped: \(without a name\)"
    ),
    "column twice": Case(
        lambda: CSV.replace("Location", "Humidity", 1).encode(), "rejected", "required column missing: Location"
    ),
    "declared column twice": Case(
        lambda: csv(pl.col("Humidity").alias("again")).replace(b"again", b"Humidity", 1), "rejected", "given twice"
    ),
    "other case": Case(lambda: CSV.replace("Humidity", "humidity", 1).encode(), "rejected", "differ only in case"),
    "spaces in the header": Case(lambda: CSV.replace(",Humidity,", ", Humidity ,", 1).encode(), ALL),
    "quoted header": Case(lambda: csv(quote_style="always"), ALL),
    "renamed column": Case(lambda: CSV.replace("Humidity", "RH", 1).encode(), "rejected", "missing: Humidity"),
    "one header cell missing": Case(
        lambda: CSV.replace(",Weather_conditions", "", 1).encode(), "rejected", "missing: Weather_conditions"
    ),
    "header again in the middle": Case(lambda: line(300, HEADER), (ROWS, 1), "Timestamp.type: 1"),
    "comment above": Case(lambda: b"# station 7\n" + CSV.encode(), "rejected", "the header is on line 2"),
    "titles and a blank line above": Case(
        lambda: b"Weather,,,,\nJune 2023,,,,\n\n" + CSV.encode(), "rejected", "the header is on line 4"
    ),
    "line for excel above": Case(lambda: b"sep=,\n" + CSV.encode(), "rejected", "the header is on line 2"),
    "total below": Case(lambda: CSV.encode() + b"Total: 720 rows\n", (ROWS, 1), "file.record: 1"),
    "spaces and delimiters below": Case(
        lambda: CSV.encode() + b"   \n" + b",,,,,,,,,\n" * 3, ALL, "blank records dropped: 4"
    ),
    "all of it twice": Case(lambda: CSV.encode() * 2, (ROWS, 1), "rows equal to another row of the batch dropped: 720"),
    "no line end below": Case(
        lambda: CSV[:-1].encode(), "waits", "its last record has no line end, so it may be incomplete"
    ),
    "one record": Case(lambda: (HEADER + LINES[0]).encode(), (1, 0)),
    "delimiter at the end of every line": Case(
        lambda: CSV.replace("\n", ",\n").encode(), ALL, r"unknown column dropped: \(without a name\)"
    ),
    "delimiter at the end of every record": Case(
        lambda: (HEADER + "".join(f"{line.strip()},\n" for line in LINES)).encode(),
        "rejected",
        "The first one is record 1: got '2023-06-01 .*,', expected a record with the columns of the header",
    ),
    "single quotes": Case(lambda: CSV.replace('"', "'").encode(), "rejected", "file.record 720.*'Port of Turku"),
    "quotes in quotes": Case(
        lambda: CSV.replace("Port of", 'Port ""of""').encode(), ALL, 'Location.categories: other shares: Port "of"'
    ),
    "comment in the middle": Case(lambda: line(300, "# moved\n"), (ROWS, 1), "file.record: 1"),
    "short record": Case(lambda: replaced(300, "2023-06-14 00:00:00+03:00,x\n"), (ROWS - 1, 1), "file.record: 1"),
    "long record": Case(lambda: replaced(300, LINES[300].strip() + ",x\n"), (ROWS - 1, 1), "file.record: 1"),
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
    "one quote too many": Case(
        lambda: CSV.replace("rain", '"rain', 1).encode(), "rejected", "line 5: text follows a quoted cell"
    ),
    "semicolons and commas": Case(lambda: _COMMA, "rejected", "wrong delimiter; got ';'"),
    "semicolons and commas detected": Case(lambda: _COMMA, ALL, "detected: delimiter ';', decimal ','", format=_DETECT),
    "tabs detected": Case(lambda: csv(separator="\t"), ALL, "detected", format=_DETECT),
    "no header": Case(lambda: "".join(LINES).encode(), "rejected", "header is data"),
    "header alone": Case(lambda: HEADER.encode(), "empty"),
    "two places, one key": Case(
        lambda: (CSV + "".join(LINES).replace("Turku", "Hamina")).encode(), "rejected", "key.conflict 1440"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_records_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
