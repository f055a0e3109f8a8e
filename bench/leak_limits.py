"""Which limits does the gate `leak` need? Honest sets beside known and made leaks, through the project's own measure.

    python -m bench.leak_limits

Honest: rows of weather, rented bikes, rain, card payments and 414 series of M4 at several horizons, without the columns
that are known to hold the label. Leaks: those columns, the label itself under noise, its value an hour ahead, and rows
that are delivered again under later dates. Prints what the gate would measure of each, and both kinds of error at
several limits.
"""

import csv
import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.leaks import LeakReport, measure_leaks
from tests.data.real_data import REAL_DATA
from tests.training.number_labels.load import LOAD, load_yaml

START = datetime(2000, 1, 1, tzinfo=UTC)
LIMITS = (0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
SHARES = (0.01, 0.02, 0.05, 0.10, 0.20)


@dataclass(frozen=True)
class Case:
    """One set with one label: its columns but for the label's, those that leak, and how far ahead the label lies."""

    name: str
    columns: dict[str, np.ndarray]
    label: np.ndarray
    horizon: int = 0
    leaks: tuple[str, ...] = ()


def measure(case: Case) -> LeakReport:
    """What the gate would be given: the last fifth of the rows is the hold-out."""
    hours, names = len(case.label), list(case.columns)
    frame = pl.DataFrame({**case.columns, "Load": case.label}).cast(pl.Float64)
    times = pl.datetime_range(START, START + timedelta(hours=hours - 1), "1h", time_unit="us", eager=True)
    fold = f"{hours // 5 // 24 or 1}d" if hours > 240 else f"{hours // 5}h"
    model = load_yaml(
        LOAD,
        dataset={"columns": {"Hour": {"type": "timestamp"}, **{n: {"type": "float"} for n in [*names, "Load"]}}},
        label={"name": "ahead", "column": "Load", "horizon": f"{case.horizon}h"},
        features=[{"column": name} for name in names],
        train={"backtest": {"folds": 2, "fold": fold, "min_train_rows": 10}},
        gates={"baselines": {"metric": "rmse", "margin": 5, "kinds": ["mean"]}},
    )
    rows = labelled_rows(model, frame.with_columns(times.alias("Hour")), now=datetime(2100, 1, 1, tzinfo=UTC))
    return measure_leaks(model, rows, split(model, rows.times)[-1])


def bikes() -> pl.DataFrame:
    """Hours of two years."""
    return pl.read_csv(REAL_DATA / "bikeshare" / "hour.csv.gz").drop("instant", "dteday")


def weather() -> pl.DataFrame:
    """Hours of eleven years, with rain and snow as numbers."""
    frame = pl.read_csv(REAL_DATA / "weather" / "weather_dataset_raw.csv.gz", infer_schema_length=None)
    time = pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC")
    kinds = [(pl.col("Weather_conditions") == kind).fill_null(False).alias(kind) for kind in ("rain", "snow")]
    frame = frame.with_columns(time, *kinds).unique("Timestamp").sort("Timestamp")
    return frame.drop("S_No", "Timestamp", "Location", "Weather_conditions")


def of(name: str, frame: pl.DataFrame, label: str, horizon: int, without: tuple[str, ...] = (), **more: object) -> Case:
    """A case whose features are all other columns."""
    columns = {each: frame[each].cast(pl.Float64).to_numpy() for each in frame.columns if each not in (label, *without)}
    return Case(f"{name} {label} +{horizon}h", columns, frame[label].cast(pl.Float64).to_numpy(), horizon, **more)


def honest() -> Iterator[Case]:
    """Sets without a known leak."""
    rented, sky = bikes(), weather()
    for horizon in (0, 1, 24):
        yield of("bikes", rented, "cnt", horizon, () if horizon else ("casual", "registered"))
    for horizon in (1, 4, 24):
        yield of("bikes", rented, "temp", horizon)
        yield of("weather", sky, "rain", horizon)
        for label in ("Temperature_C", "Humidity", "Pressure_millibars", "Visibility_km"):
            yield of("weather", sky, label, horizon)
    yield of("weather", sky, "rain", 0, ("snow",))
    for label in ("Humidity", "Pressure_millibars", "Visibility_km"):
        yield of("weather", sky, label, 0)
    yield of("rain (NOAA)", pl.read_csv(REAL_DATA / "noaa_weather" / "weather.csv"), "target", 0)
    cards = payments()
    yield of("cards", cards, "TX_FRAUD", 0, ("TX_FRAUD_SCENARIO",))
    yield of(
        "cards, amount alone", cards, "TX_FRAUD", 0, ("TX_FRAUD_SCENARIO", "TX_TIME_DAYS", "TERMINAL_ID", "CUSTOMER_ID")
    )
    series = m4()
    for number in range(0, len(series) - 1, 8):
        size = min(len(series[number]), len(series[number + 1]))
        for horizon in (0, 1, 24):
            yield Case(f"M4 {number} +{horizon}h", {"other": series[number + 1][:size]}, series[number][:size], horizon)


def payments() -> pl.DataFrame:
    """A month of card payments, as if one came each hour."""
    frames = [pl.read_parquet(path) for path in sorted((REAL_DATA / "fraud").glob("*.parquet"))]
    return pl.concat(frames).drop("TRANSACTION_ID", "TX_DATETIME")


def m4() -> list[np.ndarray]:
    """The hourly series."""
    with gzip.open(REAL_DATA / "m4_hourly" / "Hourly-train.csv.gz", "rt") as text:
        return [np.array([float(each) for each in row[1:] if each]) for row in list(csv.reader(text))[1:]]


def leaking() -> Iterator[Case]:
    """Columns that hold the label, or are made of it."""
    rented, sky, draw = bikes(), weather(), np.random.default_rng(1)
    yield of("bikes", rented, "cnt", 0, leaks=("registered",))
    yield of("bikes", rented, "temp", 0, leaks=("atemp",))
    yield of("weather", sky, "Temperature_C", 0, leaks=("Apparent_Temperature_C",))
    yield of("weather", sky, "snow", 0, leaks=("Temperature_C",))
    yield of("cards", payments(), "TX_FRAUD", 0, leaks=("TX_FRAUD_SCENARIO",))
    for name, frame, label, horizon in (
        ("bikes", rented, "cnt", 0),
        ("bikes", rented, "cnt", 24),
        ("weather", sky, "Temperature_C", 1),
        ("weather", sky, "Temperature_C", 4),
        ("weather", sky, "rain", 4),
        ("weather", sky, "rain", 1),
    ):
        case = of(name, frame, label, horizon, ("casual", "registered") if label == "cnt" else ())
        ahead = np.roll(case.label, -horizon)
        for noise in (0.0, 0.1, 0.2, 0.3):  # of the spread; the yes or no is told wrongly as often
            spoilt = (
                np.where(draw.random(len(ahead)) < noise / 5, 1 - ahead, ahead)
                if label == "rain"
                else ahead + noise * np.nanstd(ahead) * draw.normal(size=len(ahead))
            )
            columns = {**case.columns, "leak": spoilt}
            yield Case(f"{case.name}, the label with noise {noise:g}", columns, case.label, horizon, ("leak",))
        if horizon > 1:
            columns = {**case.columns, "leak": np.roll(case.label, -1)}
            yield Case(f"{case.name}, the next hour", columns, case.label, horizon, ("leak",))


def redelivered() -> Iterator[tuple[str, float, Case]]:
    """Sets of whose hold-out a share has the values of earlier rows."""
    draw = np.random.default_rng(2)
    for case in (of("bikes", bikes(), "cnt", 0, ("casual", "registered")), of("weather", weather(), "rain", 4)):
        size, last = len(case.label), len(case.label) // 5
        for share in (0.02, 0.05, 0.1, 0.3):
            block = int(last * share)
            start = int(draw.integers(size - last, size - block))
            source = int(draw.integers(0, size - 2 * last))
            moved = np.arange(size)
            moved[start : start + block] = np.arange(source, source + block)
            columns = {name: values[moved] for name, values in case.columns.items()}
            yield case.name, share, Case(case.name, columns, case.label[moved], case.horizon)


def strength(report: LeakReport, feature: str) -> float:
    """The share that a limit is held against; 0 where what is true now says as much."""
    sent = report.explained.get(feature, 0.0)
    present = report.persistence
    return sent if present is None or 1 - sent <= (1 - present) / 2 else 0.0


def main() -> None:
    """Print the tables."""
    free: list[float] = []
    copies: list[float] = []
    twice: list[float] = []
    for case in honest():
        report = measure(case)
        best = max(report.explained, key=lambda name: report.explained[name])
        free += [strength(report, name) for name in report.explained]
        copies += report.copies.values()
        twice.append(report.duplicates / max(report.rows, 1))
        if not case.name.startswith("M4"):
            print(
                f"honest  {case.name:36} {best:24} {report.explained[best]:7.4f}, now "
                f"{report.persistence if report.persistence is None else round(report.persistence, 4)}, copies "
                f"{max(report.copies.values(), default=0):.3f}, twice {twice[-1]:.2%} of {report.rows}",
                flush=True,
            )
    caught: list[tuple[float, float]] = []
    for case in leaking():
        report = measure(case)
        for name in case.leaks:
            caught.append((strength(report, name), report.copies.get(name, 0.0)))
            present = "none" if report.persistence is None else f"{report.persistence:.4f}"
            print(
                f"leak    {case.name:50} {name:24} {report.explained.get(name, 0):7.4f}, now {present}, copies "
                f"{caught[-1][1]:.3f}",
                flush=True,
            )
    print(f"\nof {len(free)} honest features and {len(caught)} leaks")
    for limit in LIMITS:
        alarms = sum(each >= limit for each in free)
        missed = sum(each < limit for each, _ in caught)
        both = sum(each < limit and copy < 0.95 for each, copy in caught)
        print(f"max_explained {limit}: {alarms} honest refused, {missed} leaks missed, {both} with copies looked at")
    print(f"the largest share of copies of an honest feature: {max(copies):.3f}")
    for name, share, case in redelivered():
        report = measure(case)
        print(f"again   {name:36} {share:.0%} of the hold-out: {report.duplicates / report.rows:.2%} seen", flush=True)
    for limit in SHARES:
        print(f"max_duplicates {limit}: {sum(each > limit for each in twice)} of {len(twice)} honest sets refused")


if __name__ == "__main__":
    sys.exit(main())
