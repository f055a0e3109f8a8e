"""Good spellings of wrong values: other units, dead sensors, swapped columns, from the middle on too."""

from collections.abc import Callable

import polars as pl
import pytest

from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, JUNE, csv, half


def _scaled(factor: float, added: float, *columns: str) -> bytes:
    return csv(*((pl.col(name) * factor + added).round(4) for name in columns))


CASES = {
    "columns swapped": Case(
        lambda: JUNE.rename({"Humidity": "Visibility_km", "Visibility_km": "Humidity"}).write_csv().encode(),
        "rejected",
        "Humidity.range 7",
    ),
    "fahrenheit": Case(lambda: _scaled(1.8, 32, "Temperature_C"), "rejected", r"Temperature_C.unit: .*\(°F\)"),
    "kelvin": Case(lambda: _scaled(1, 273.15, "Temperature_C"), "rejected", r"Temperature_C.unit: .*\(K\)"),
    "kilopascal": Case(
        lambda: _scaled(0.1, 0, "Pressure_millibars"), "rejected", r"Pressure_millibars.unit: .*\(kPa\)"
    ),
    "percent": Case(lambda: _scaled(100, 0, "Humidity"), "rejected", "Humidity.unit: .*100 times"),
    "metres per second": Case(
        lambda: _scaled(1 / 3.6, 0, "Wind_speed_kmph"), "rejected", r"Wind_speed_kmph.unit: .*m/s"
    ),
    "stuck sensor": Case(lambda: csv(pl.lit(17.3).alias("Temperature_C")), "rejected", "Temperature_C.stuck"),
    "fahrenheit from the middle on": Case(
        lambda: csv(
            pl.when(pl.int_range(pl.len()) >= 400)
            .then(pl.col("Apparent_Temperature_C") * 1.8 + 32)
            .otherwise(pl.col("Apparent_Temperature_C"))
            .alias("Apparent_Temperature_C")
        ),
        "rejected",
        r"Apparent_Temperature_C.unit: seems to be in another unit \(°F\) from 2023-06-18",
    ),
    "percent up to the middle": Case(
        lambda: half("Humidity", pl.col("Humidity"), pl.col("Humidity") * 100),
        "rejected",
        r"Humidity.unit: seems to be in another unit \(100 times its unit\) before 2023-06-1[67]",
    ),
    "kilopascal from the middle on": Case(
        lambda: half("Pressure_millibars", pl.col("Pressure_millibars") / 10, pl.col("Pressure_millibars")),
        "rejected",
        r"Pressure_millibars.unit: .*\(kPa\) from",
    ),
    "stuck from the middle on": Case(
        lambda: half("Temperature_C", pl.lit(17.3), pl.col("Temperature_C")),
        ALL,
        r"Temperature_C.flat: 17.3 does not change for 13 days, .* from 2023-06-17",
    ),
    "one class only": Case(
        lambda: csv(pl.lit("snow").alias("Weather_conditions")), ALL, "Weather_conditions.categories"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
