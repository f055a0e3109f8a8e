"""What a comparison costs: 20 numbers and 5 texts, from rows and from a stored profile, beside scipy and plain polars.

CPU seconds and extra memory (highest resident size, less that before) of each way, each in a process of its own, on
the same tables. Evidently runs in an environment of its own; see `bench/evidently_side.py`.

    python -m bench.drift --rows 100000 --rows 1000000 [--evidently <its python>]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from almanac.monitoring.checks.drift import assess
from almanac.statistics.comparison import compare_numbers, compare_shares, count_texts
from almanac.statistics.distribution import Observed
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.profiling import build_profile, finite_numbers
from bench.drift_worlds import NUMBERS, TEXTS, TIME, declared, table

MODEL = declared()
WAYS = ("rows", "profile", "build profile", "scipy", "polars")


def main() -> None:
    """Print one row for each way and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--evidently", default="", help="A Python that has Evidently.")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        _measure(given.way, Path(given.folder))
        return
    print("| way | rows on both sides | CPU s | s | extra MB |\n|---|---:|---:|---:|---:|")
    for rows in given.rows or [100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as name:
            _write(Path(name), rows)
            for way in WAYS:
                command = [sys.executable, "-m", "bench.drift", "--way", way, "--folder", name]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                _print(way, rows, json.loads(done.stdout))
            if given.evidently:
                script = Path(__file__).with_name("evidently_side.py")
                command = [given.evidently, str(script), name]
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
                _print("Evidently", rows, json.loads(done.stdout.splitlines()[-1]))


def _print(way: str, rows: int, said: dict[str, float]) -> None:
    wall = f"{said['wall_s']:.2f}" if "wall_s" in said else "–"
    print(f"| {way} | {rows:,} | {said['cpu_s']:.2f} | {wall} | {said['extra_mb']:.0f} |", flush=True)


def _write(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    reference = table(rng, rows)
    unknown = np.full(rows, np.nan)
    profile = build_profile(MODEL, reference, probabilities=unknown, labels=unknown)
    (folder / "profile.json").write_text(profile.to_json())
    reference.drop(TIME).write_parquet(folder / "reference_0.parquet")
    table(rng, rows, "shift .3 sd in 3").drop(TIME).write_parquet(folder / "window_0.parquet")


def _measure(way: str, folder: Path) -> None:
    """Warm up on a few rows, so that imports are not counted, then measure once."""
    reference, window = (pl.read_parquet(folder / f"{side}_0.parquet") for side in ("reference", "window"))
    text, act = (folder / "profile.json").read_text(), _ACTS[way]
    act(reference.head(2000), window.head(2000), text)
    peak = _Peak()
    cpu, wall = time.process_time(), time.perf_counter()
    act(reference, window, text)
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "extra_mb": peak.stop()}))


class _Peak:
    """The highest resident size since it was made, looked at every two milliseconds."""

    def __init__(self) -> None:
        self._start = self._highest = _resident_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.002):
            self._highest = max(self._highest, _resident_mb())

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self._highest - self._start


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _from_rows(reference: pl.DataFrame, window: pl.DataFrame, _: str) -> None:
    for name in NUMBERS:
        compare_numbers(Observed.of(finite_numbers(reference[name])), Observed.of(finite_numbers(window[name])))
    for name in TEXTS:
        before = count_texts(reference[name])
        shares = np.array([*before.values(), 0]) / reference.height
        compare_shares(list(before), shares, count_texts(window[name]), n=reference.height)


def _from_profile(_: pl.DataFrame, window: pl.DataFrame, text: str) -> None:
    times = pl.Series(TIME, np.arange(window.height) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    assess(MODEL, ReferenceProfile.from_json(text), window.with_columns(times))


def _build(reference: pl.DataFrame, _: pl.DataFrame, __: str) -> None:
    times = pl.Series(TIME, np.arange(reference.height) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    unknown = np.full(reference.height, np.nan)
    build_profile(MODEL, reference.with_columns(times), probabilities=unknown, labels=unknown).to_json()


def _scipy(reference: pl.DataFrame, window: pl.DataFrame, _: str) -> None:
    """KS, Wasserstein and Jensen-Shannon of numbers, chi-squared and Jensen-Shannon of texts; no more."""
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    for name in NUMBERS:
        before, now = reference[name].to_numpy(), window[name].to_numpy()
        stats.ks_2samp(before, now, method="asymp")
        stats.wasserstein_distance(before, now)
        borders = np.unique(np.quantile(before, np.arange(1, 10) / 10))
        shares = [np.bincount(np.searchsorted(borders, side), minlength=len(borders) + 1) for side in (before, now)]
        jensenshannon(*shares, base=2)
    for name in TEXTS:
        counted = [dict(side[name].value_counts().iter_rows()) for side in (reference, window)]
        names = sorted(set(counted[0]) | set(counted[1]))
        both = np.array([[side.get(one, 0) for one in names] for side in counted])
        stats.chi2_contingency(both)
        jensenshannon(*both, base=2)


def _polars(reference: pl.DataFrame, window: pl.DataFrame, _: str) -> None:
    """PSI and Jensen-Shannon alone, by binning in polars."""
    for name in NUMBERS:
        borders = sorted({reference[name].quantile(level / 10, interpolation="linear") for level in range(1, 10)})
        p, q = (_shares(side[name].cut(borders).cast(pl.String)) for side in (reference, window))
        _distances(p, q)
    for name in TEXTS:
        _distances(_shares(reference[name]), _shares(window[name]))


def _shares(series: pl.Series) -> pl.DataFrame:
    return series.alias("bin").value_counts(normalize=True)


def _distances(p: pl.DataFrame, q: pl.DataFrame) -> None:
    both = p.join(q, on="bin", how="full", coalesce=True).fill_null(1e-4)
    a, b = both["proportion"], both["proportion_right"]
    middle = (a + b) / 2
    psi = ((b - a) * (b / a).log()).sum()
    jensen_shannon = (a * (a / middle).log(2)).sum() + (b * (b / middle).log(2)).sum()
    assert np.isfinite(psi + jensen_shannon)  # noqa: S101 - a benchmark that computes nothing measures nothing


_ACTS: dict[str, Callable[[pl.DataFrame, pl.DataFrame, str], None]] = {
    "rows": _from_rows,
    "profile": _from_profile,
    "build profile": _build,
    "scipy": _scipy,
    "polars": _polars,
}


if __name__ == "__main__":
    main()
