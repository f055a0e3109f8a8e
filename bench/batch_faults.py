"""Which real months with a planted fault are stopped, warned of or published, and which sound ones are: both errors.

Each month of the raw weather file is judged against the months before it, as an ingest does, once as it is and once for
each fault: a unit that changes in the middle of the month or on another day, all times moved by some hours.

    python -m bench.batch_faults <weather_dataset_raw.csv.gz> [--step 1] [--only '+5 h']
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.validation.skew import BatchFacts, find_skew

TIME, FIRST_JUDGED = "Timestamp", datetime(2009, 1, 1, tzinfo=UTC)
CELSIUS = ("Temperature_C", "Apparent_Temperature_C")
Change = Callable[[pl.DataFrame], pl.DataFrame]


def main() -> None:
    """Print one row for each fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--step", type=int, default=1, help="Judge every so many months.")
    parser.add_argument("--only", default="", help="Faults whose name holds this.")
    given = parser.parse_args()
    model = find_model(MODELS_FOLDER, "weather")
    rows = read(given.source)
    print("| fault | months | stopped | only warned | nothing said | by |")
    print("|---|---:|---:|---:|---:|---|")
    for name, change in ((name, change) for name, change in faults().items() if given.only in name):
        text = judge(model, rows, change, given.step)
        stopped = sum(any(action == "reject" for _, action in month) for month in text)
        silent = sum(not month for month in text)
        rules = Counter(rule for month in text for rule, _ in month)
        by = ", ".join(f"{rule} {count}" for rule, count in rules.most_common(5))
        print(f"| {name} | {len(text)} | {stopped} | {len(text) - stopped - silent} | {silent} | {by} |", flush=True)


def read(source: Path) -> pl.DataFrame:
    """The good rows in order of time."""
    frame = pl.read_csv(source)
    time = pl.col(TIME).str.to_datetime("%Y-%m-%d %H:%M:%S%.f %z", time_zone="UTC", time_unit="us")
    sound = frame.with_columns(time).filter(pl.col("Pressure_millibars") > 0, pl.col("Humidity") > 0)
    return sound.unique(TIME, keep="first").sort(TIME)


def faults() -> dict[str, Change]:
    """Name -> what it does to a month's rows."""
    found: dict[str, Change] = {"none": lambda month: month}
    for day, hour in ((2, 0), (4, 0), (10, 0), (16, 0), (16, 13), (22, 0), (28, 0)):
        found[f"°F from day {day}, {hour} h"] = _from(day, hour, CELSIUS, 1.8, 32.0)
    found["°F to day 16"] = _from(16, 0, CELSIUS, 1.8, 32.0, before=True)
    found["°F on days 10 to 20"] = _between(10, 20, CELSIUS, 1.8, 32.0)
    found["°F in one column from day 16"] = _from(16, 0, CELSIUS[:1], 1.8, 32.0)
    found["°F all month"] = _from(1, 0, CELSIUS, 1.8, 32.0)
    found["K from day 16"] = _from(16, 0, CELSIUS, 1.0, 273.15)
    found["kPa from day 16"] = _from(16, 0, ("Pressure_millibars",), 0.1, 0.0)
    found["inHg from day 16"] = _from(16, 0, ("Pressure_millibars",), 0.02953, 0.0)
    found["percent from day 16"] = _from(16, 0, ("Humidity",), 100.0, 0.0)
    found["m/s from day 16"] = _from(16, 0, ("Wind_speed_kmph",), 1 / 3.6, 0.0)
    found["miles from day 16"] = _from(16, 0, ("Visibility_km",), 0.621371, 0.0)
    for hours in (1, 2, 3, 5, 8, 12, -2, -5):
        found[f"all times {hours:+} h"] = _moved(hours)
    return found


def judge(model: Model, rows: pl.DataFrame, change: Change, step: int) -> list[list[tuple[str, str]]]:
    """What is found in each month: rule and action."""
    return [[(one.rule, one.action) for one in found] for found in _findings(model, rows, change, step)]


def _findings(model: Model, rows: pl.DataFrame, change: Change, step: int) -> Iterator[tuple[object, ...]]:
    dataset, skew = model.dataset, model.dataset.skew
    if skew is None:
        raise SystemExit("the model declares no skew: nothing to judge by")
    months = rows[TIME].dt.truncate("1mo").unique().sort()
    for start in months.filter(months >= FIRST_JUDGED)[::step]:
        end = (start + timedelta(days=32)).replace(day=1)
        batch = change(rows.filter(pl.col(TIME) >= start, pl.col(TIME) < end))
        same = pl.col(TIME).dt.month().is_in(batch[TIME].dt.month().unique().to_list())
        reference = rows.filter(pl.col(TIME) < start, pl.col(TIME) >= start - skew.history, same)
        facts = BatchFacts(batch.height, batch[TIME].min(), batch[TIME].max(), None)  # type: ignore[arg-type]
        yield find_skew(batch, reference, facts, dataset, now=end)


def _from(
    day: int, hour: int, columns: tuple[str, ...], factor: float, added: float, *, before: bool = False
) -> Change:
    def change(month: pl.DataFrame) -> pl.DataFrame:
        border = month[TIME][len(month) // 2].replace(day=day, hour=hour, minute=0)
        wrong = pl.col(TIME) < border if before else pl.col(TIME) >= border
        return _convert(month, wrong, columns, factor, added)

    return change


def _between(first: int, last: int, columns: tuple[str, ...], factor: float, added: float) -> Change:
    wrong = pl.col(TIME).dt.day().is_between(first, last)
    return lambda month: _convert(month, wrong, columns, factor, added)


def _convert(
    month: pl.DataFrame, wrong: pl.Expr, columns: tuple[str, ...], factor: float, added: float
) -> pl.DataFrame:
    return month.with_columns(
        pl.when(wrong).then(pl.col(name) * factor + added).otherwise(pl.col(name)).alias(name) for name in columns
    )


def _moved(hours: int) -> Change:
    return lambda month: month.with_columns(pl.col(TIME) + timedelta(hours=hours))


if __name__ == "__main__":
    main()
