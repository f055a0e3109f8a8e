"""What the drift rule says of strongly dependent rows: how often in vain, what it finds, and what it leaves open.

Each repetition: two years of hours of one process are the reference, eight columns of it; then windows of 30 days go on
from where the reference ends, once as they are and once shifted by some of the reference's standard deviations.

    python -m bench.dependent_series --repetitions 40 [--years 0.4] [--min-effective-rows 1]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from scipy.signal import lfilter

from almanac.config.schema import Model
from almanac.monitoring.checks.drift import Status, assess
from almanac.statistics.profiling import build_profile
from bench.drift_worlds import NUMBERS, START, TIME, declared

COLUMNS = NUMBERS[:8]
HOURS_OF_WINDOW, WINDOWS = 30 * 24, 4
SHIFTS = (0.0, 0.5, 1.0, 3.0)  # standard deviations of the reference


def autoregressive(phi: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Numbers of deviation 1 in which each repeats `phi` of the one before."""

    def make(rng: np.random.Generator, count: int) -> np.ndarray:
        noise = rng.normal(size=count) * (1 - phi**2) ** 0.5
        noise[0] = rng.normal()
        return np.asarray(lfilter([1.0], [1.0, -phi], noise))

    return make


def random_walk(rng: np.random.Generator, count: int) -> np.ndarray:
    """A walk of .1 an hour under a day of amplitude 1: no two windows have one distribution."""
    return 0.1 * rng.normal(size=count).cumsum() + np.sin(2 * np.pi * np.arange(count) / 24)


PROCESSES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "independent": autoregressive(0.0),
    "AR(1), phi .9": autoregressive(0.9),
    "AR(1), phi .99": autoregressive(0.99),
    "AR(1), phi .999": autoregressive(0.999),
    "random walk, daily season": random_walk,
}


def main() -> None:
    """Print one row for each process and shift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--min-effective-rows", type=float, default=None)
    parser.add_argument("--years", type=float, default=2.0)
    given = parser.parse_args()
    model = _model(given.min_effective_rows)
    hours = int(given.years * 365 * 24)
    print("| rows | shift, sd | effective rows in a window | drifted | not tested | of these large | asks |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, make in PROCESSES.items():
        effective, tally = measure(model, make, given.repetitions, hours)
        for shift, (drifted, untested, large, asks) in tally.items():
            print(
                f"| {name} | {shift:g} | {effective:.1f} | {drifted:.1%} | {untested:.1%} | {large:.1%} | {asks:.1%} |",
                flush=True,
            )


def measure(
    model: Model, make: Callable[[np.random.Generator, int], np.ndarray], repetitions: int, hours: int
) -> tuple[float, dict[float, tuple[float, float, float, float]]]:
    """The median effective rows, and by shift: shares of columns drifted, not tested, large; of months that ask."""
    effective: list[float] = []
    columns: dict[float, list[tuple[bool, bool, bool]]] = defaultdict(list)
    asks: dict[float, list[bool]] = defaultdict(list)
    for repetition in range(repetitions):
        rng = np.random.default_rng([20261129, repetition])
        series = {name: make(rng, hours + WINDOWS * HOURS_OF_WINDOW) for name in COLUMNS}
        reference = _frame(series, 0, hours)
        unknown = np.full(hours, np.nan)
        profile = build_profile(model, reference, probabilities=unknown, labels=unknown)
        for shift in SHIFTS:
            drifted: list[set[str]] = []
            for number in range(WINDOWS):
                window = _frame(series, hours + number * HOURS_OF_WINDOW, HOURS_OF_WINDOW)
                moved = window.with_columns(pl.col(name) + shift * series[name][:hours].std() for name in COLUMNS)
                found = [one for one in assess(model, profile, moved) if one.name in COLUMNS]
                drifted.append({one.name for one in found if one.status is Status.DRIFTED})
                for one in found:
                    untested = one.status is Status.INSUFFICIENT
                    large = untested and any("large" in reason for reason in one.reasons)
                    columns[shift].append((one.status is Status.DRIFTED, untested, large))
                    if shift == 0.0:
                        effective.append(one.rows / one.figures.get("design_effect", np.nan))
            asks[shift] += [bool(before & now) for before, now in pairwise(drifted)]
    shares = {
        shift: (*(float(np.mean(kind)) for kind in zip(*text, strict=True)), float(np.mean(asks[shift])))
        for shift, text in columns.items()
    }
    return float(np.nanmedian(effective)), shares  # type: ignore[return-value]


def _model(min_effective_rows: float | None) -> Model:
    """The model of the other drift benchmarks; none: with the default limit."""
    base = declared().model_dump()
    if min_effective_rows is not None:
        base["monitor"]["drift"]["min_effective_rows"] = min_effective_rows
    return Model.model_validate(base)


def _frame(series: dict[str, np.ndarray], first: int, count: int) -> pl.DataFrame:
    start = START + timedelta(hours=first)
    times = pl.datetime_range(start, start + timedelta(hours=count - 1), "1h", time_unit="us", eager=True)
    return pl.DataFrame({TIME: times, **{name: values[first : first + count] for name, values in series.items()}})


if __name__ == "__main__":
    main()
