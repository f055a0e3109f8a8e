"""Spellings of numbers, of nothing and of categories."""

from collections.abc import Callable

import polars as pl
import pytest

from almanac.config.sections.formats import CsvFormat
from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import CSV, ROWS, cells, csv

_NO_NUMBERS = ("0x1F", "1_0", "\u22125.2", "\uff11\uff12", "True", "1,5", "--5", "5 5", "12 C")


CASES = {
    "decimal comma in one column": Case(
        lambda: csv(
            pl.format("{}", pl.col("Humidity").cast(pl.String).str.replace(".", ",", literal=True)).alias("Humidity")
        ),
        "rejected",
        "Humidity.type 7",
    ),
    "signs of thousands": Case(lambda: cells("Pressure_millibars", {5: "1,013.2", 6: "1 013.2"}), (718, 2), "type: 2"),
    "spellings of numbers": Case(
        lambda: cells(
            "Temperature_C",
            dict(enumerate(["+5.2", "1.2e1", " 12.5 ", "12.", ".5", "-0.0", *_NO_NUMBERS])),
        ),
        (ROWS - len(_NO_NUMBERS), len(_NO_NUMBERS)),
        f"Temperature_C.type: {len(_NO_NUMBERS)}",
    ),
    "spellings of whole numbers": Case(
        lambda: cells("Wind_bearing_degrees", dict(enumerate(["251.0", "+12", "0012", "-0", "251.5", "1e400"]))),
        (718, 2),
        "Wind_bearing_degrees.type: 2",
    ),
    "words for nothing": Case(
        lambda: cells("Humidity", dict(enumerate(["NA", "NULL", "-", " ", ""]))), (715, 5), "Humidity.type: 4"
    ),
    "declared words for nothing": Case(
        lambda: cells("Humidity", dict(enumerate(["NA", "NULL", "-", ""]))),
        (716, 4),
        "Humidity.null: 3",
        format=CsvFormat(nulls=("NA", "-")),
    ),
    "signs of percent": Case(
        lambda: csv(pl.format("{}%", (pl.col("Humidity") * 100).round(0)).alias("Humidity")),
        "rejected",
        "Humidity.type 720. The first one is record 1: got '88.0%', expected a finite number",
    ),
    "signs of thousands everywhere": Case(
        lambda: csv(pl.format("1,0{}", (pl.col("Humidity") * 100).round(1)).alias("Pressure_millibars")),
        "rejected",
        "Pressure_millibars.type 720. The first one is record 1: got '1,088.0'",
    ),
    "not finite": Case(
        lambda: cells("Temperature_C", {1: "inf", 2: "-inf", 3: "NaN", 4: "1e400", 5: "-999", 6: "9999"}),
        (714, 6),
        "Temperature_C.type: 4",
    ),
    "sentinels everywhere": Case(lambda: csv(pl.lit("-9999").alias("Pressure_millibars")), "rejected", "range 720"),
    "empty column": Case(lambda: csv(pl.lit(None).alias("Humidity")), "rejected", "Humidity.null 720"),
    "text in a number": Case(lambda: cells("Humidity", {0: "ERR", 1: "0.5%", 2: "—"}), (717, 3), "Humidity.type: 3"),
    "category in another case": Case(
        lambda: CSV.replace(",rain", ",Rain", 3).replace(",clear", ", clear", 2).encode(), (715, 5), "values: 5"
    ),
    "formula": Case(lambda: CSV.replace(",rain", ",=HYPERLINK(1)", 1).encode(), (719, 1), "values: 1"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cells_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
