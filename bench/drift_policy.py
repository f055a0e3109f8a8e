"""How often would a monitor trigger people for nothing, and how often would it miss what is real? Beside the defaults.

For each repetition: a reference of 25 columns, then windows of as many rows, four of each quiet kind (three months in
which two windows running could ask) and two of each real change. Each rule says which columns have drifted in a
window; the same column in two windows running asks for a retrain. A stuck column is told at once and asks for a
repair, not for a retrain.

    python -m bench.drift_policy --repetitions 200 --rows 1000 --rows 10000 [--evidently <its python>]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

from almanac.monitoring.checks.drift import Status, assess
from almanac.statistics.comparison import DISTRIBUTION, Comparison, compare_numbers, compare_shares, count_texts
from almanac.statistics.distribution import Observed
from almanac.statistics.profiling import build_profile
from bench.drift_worlds import NUMBERS, SCENARIOS, START, TEXTS, TIME, declared, table

MODEL = declared()
QUIET_WINDOWS, REAL_WINDOWS = 4, 2
EVIDENTLY_SHARE, EVIDENTLY_SMALL, EVIDENTLY_FAR = 0.5, 1000, 0.1
COLUMN, DATASET = "Evidently's default, a column", "Evidently's default, dataset drift"
RULES = (
    "Almanac",
    "KS and chi-squared, p < .05",
    "PSI >= .1",
    "PSI >= .2",
    COLUMN,
    DATASET,
)


@dataclass
class Tally:
    """What a rule said of one kind of window."""

    columns: list[int] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    asks: list[bool] = field(default_factory=list)


def main() -> None:
    """Print one table for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--evidently", default="", help="A Python that has Evidently; asked on 10 repetitions.")
    given = parser.parse_args()
    for rows in given.rows or [1000, 10_000]:
        tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        for repetition in range(given.repetitions):
            _repeat(np.random.default_rng([rows, repetition]), rows, tallies)
        _print(rows, given.repetitions, tallies)
        if given.evidently:
            _ask_evidently(given.evidently, rows, min(given.repetitions, 10))


def _repeat(rng: np.random.Generator, rows: int, tallies: dict[tuple[str, str], Tally]) -> None:
    reference = table(rng, rows)
    unknown = np.full(rows, np.nan)
    profile = build_profile(MODEL, reference, probabilities=unknown, labels=unknown)
    sides = _Sides(reference)
    for scenario in SCENARIOS:
        count = QUIET_WINDOWS if scenario in SCENARIOS[:2] else REAL_WINDOWS
        text: dict[str, list[tuple[set[str], bool]]] = {rule: [] for rule in RULES}
        for number in range(count):
            window = table(rng, rows, scenario, START + timedelta(hours=rows * (number + 1)))
            drifts = assess(MODEL, profile, window)
            moved = {drift.name for drift in drifts if drift.status is Status.DRIFTED}
            stuck = any(drift.status is Status.STUCK for drift in drifts)
            text["Almanac"].append((moved, bool(moved) or stuck))
            for rule, names in sides.flagged(window).items():
                text[rule].append((names, bool(names)))
            dataset = len(text[COLUMN][-1][0]) >= EVIDENTLY_SHARE * 25
            text[DATASET].append(({"dataset"} if dataset else set(), dataset))
        for rule, windows in text.items():
            tally = tallies[rule, scenario]
            tally.columns += [len(names) for names, _ in windows]
            tally.told += [notified for _, notified in windows]
            tally.asks += [bool(before & now) for (before, _), (now, _) in pairwise(windows)]


class _Sides:
    """A reference and the libraries' rules on it, with no profile and no dependence of rows."""

    def __init__(self, reference: pl.DataFrame) -> None:
        self.frame = reference
        self.numbers = {name: Observed.of(reference[name].to_numpy()) for name in NUMBERS}
        self.counts = {name: count_texts(reference[name]) for name in TEXTS}

    def flagged(self, window: pl.DataFrame) -> dict[str, set[str]]:
        found: dict[str, Comparison] = {}
        for name in NUMBERS:
            found[name] = compare_numbers(self.numbers[name], Observed.of(window[name].to_numpy()))
        for name in TEXTS:
            names = sorted(self.counts[name])
            shares = np.array([self.counts[name][one] for one in names] + [0]) / self.frame.height
            found[name] = compare_shares(names, shares, count_texts(window[name]), n=self.frame.height)
        p_values = {name: one.p_values.get(DISTRIBUTION, 1.0) for name, one in found.items()}
        return {
            "KS and chi-squared, p < .05": {name for name, p in p_values.items() if p < 0.05},
            "PSI >= .1": {name for name, one in found.items() if one.figures["psi"] >= 0.1},
            "PSI >= .2": {name for name, one in found.items() if one.figures["psi"] >= 0.2},
            COLUMN: {name for name, one in found.items() if self._evidently(name, window, one, p_values[name])},
        }

    def _evidently(self, name: str, window: pl.DataFrame, one: Comparison, p_value: float) -> bool:
        """Its documented choice: tests with p < .05 up to 1,000 rows, distances from .1 on beyond."""
        if self.frame.height <= EVIDENTLY_SMALL:
            return p_value < 0.05
        if name in TEXTS:
            return one.figures["jensen_shannon"] * np.log(2) ** 0.5 >= EVIDENTLY_FAR
        before, now = self.numbers[name].values, window[name].to_numpy()
        return bool(stats.wasserstein_distance(before, now) / max(before.std(), 1e-3) >= EVIDENTLY_FAR)


def _print(rows: int, repetitions: int, tallies: dict[tuple[str, str], Tally]) -> None:
    print(f"\n**{rows:,} rows on both sides, {repetitions} repetitions**\n")
    print("| rule | " + " | ".join(SCENARIOS) + " |")
    print("|---|" + "---:|" * len(SCENARIOS))
    for rule in RULES:
        cells = []
        for scenario in SCENARIOS:
            tally = tallies[rule, scenario]
            cells.append(f"{np.mean(tally.columns):.1f} · {np.mean(tally.told):.1%} · **{np.mean(tally.asks):.1%}**")
        print(f"| {rule} | " + " | ".join(cells) + " |")
    print(
        "\nDrifted columns of 25 in a window · windows in which anything is told · **months that ask for a retrain**."
    )


def _ask_evidently(python: str, rows: int, repetitions: int) -> None:
    """Let Evidently itself look at one window of each kind, and print what it says."""
    with tempfile.TemporaryDirectory() as folder:
        for repetition in range(repetitions):
            rng = np.random.default_rng([rows, repetition])
            for place, scenario in enumerate(SCENARIOS):
                pair = f"{place}-{repetition:03}"
                table(rng, rows).drop(TIME).write_parquet(Path(folder) / f"reference_{pair}.parquet")
                table(rng, rows, scenario).drop(TIME).write_parquet(Path(folder) / f"window_{pair}.parquet")
        script = Path(__file__).with_name("evidently_side.py")
        done = subprocess.run([python, script, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    output = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    print(f"\nEvidently itself, {repetitions} windows each (columns; dataset drift):")
    for place, scenario in enumerate(SCENARIOS):
        mine = [one for one in output if one["pair"].startswith(f"{place}-")]
        drifted = np.mean([one["share"] >= EVIDENTLY_SHARE for one in mine])
        print(f"- {scenario}: {np.mean([one['columns'] for one in mine]):.1f}; {drifted:.0%}")


if __name__ == "__main__":
    main()
