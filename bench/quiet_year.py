"""How often would the monitor ask for a retrain in a quiet year, and how soon after the climate has changed?

For each seed: reference 2021-2023, a forest trained by rolling origin, then the 11 complete windows of 2024, once in
the same climate and once in `CHANGED_CLIMATE` from its first hour. Compared are the parts of the year (`season`), the
false discovery rate, and tests that count rows (`iid`) or effective rows.

    python -m bench.quiet_year --seeds 10
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.features.features import build_features
from almanac.features.labels import labels
from almanac.monitoring.checks.drift import Status, assess, part_weights
from almanac.monitoring.checks.performance import PerformanceState, evaluate
from almanac.sample.climate import Climate
from almanac.sample.weather_generator import CHANGED_CLIMATE, TODAY, generate_hours
from almanac.statistics.profile import PREDICTION, ReferenceProfile
from almanac.statistics.profiling import build_profile
from almanac.windows.window import complete_windows

WEATHER = find_model(MODELS_FOLDER, "weather")
START, CUT, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2024, 2025))
HOUR = timedelta(hours=1)
FOLDS, FOLD_ROWS, HORIZON_ROWS = 4, 90 * 24, 4
TREES = 40
LABEL = "_label"


@dataclass(frozen=True)
class Policy:
    """One way to decide."""

    season: str
    rate: float
    effective: bool

    def __str__(self) -> str:
        return f"{self.season:7} {self.rate:4.2f} {'effective' if self.effective else 'iid':9}"

    def model(self) -> Model:
        """The weather model under this policy."""
        declared = WEATHER.model_dump()
        declared["monitor"]["drift"].update(season=self.season, false_discovery_rate=self.rate)
        return Model.model_validate(declared)


POLICIES = (
    Policy("none", 0.01, False),
    Policy("season", 0.01, False),
    Policy("month", 0.01, False),
    *(Policy(season, rate, True) for season in ("none", "season", "month") for rate in (0.01, 0.05, 0.10)),
)


def main() -> None:
    """Print one row per policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(1, parser.parse_args().seeds + 1)
    years = {seed: (_year(seed, TODAY), _year(seed, CHANGED_CLIMATE), *_reference(seed)) for seed in seeds}
    print(f"{len(seeds)} worlds; window of the first request by drift | by performance | by either, 11 windows a year")
    print("season  rate rows      | quiet: drifted, asks | changed: drifted, first request of each world")
    for policy in POLICIES:
        model = policy.model()
        quiet, changed = [], []
        for calm, hot, frame, probabilities, truth, forest in years.values():
            profile = build_profile(model, frame, probabilities=probabilities, labels=truth)
            if not policy.effective:
                profile = replace(profile, columns=tuple(replace(c, design_effect=1.0) for c in profile.columns))
            quiet.append(list(_windows(model, profile, _foretold(calm, forest))))
            changed.append(list(_windows(model, profile, _foretold(hot, forest))))
        print(f"{policy} | {_said(quiet)} | {_said(changed)}")


def _said(worlds: list[list[tuple[set[str], bool]]]) -> str:
    windows = sum(len(world) for world in worlds)
    flagged = sum(bool(names) for world in worlds for names, _ in world)
    drift = [_first([bool(a[0] & b[0]) for a, b in pairwise(world)]) for world in worlds]
    loss = [_first([a[1] and b[1] for a, b in pairwise(world)]) for world in worlds]
    either = [min((n for n in both if n), default=0) for both in zip(drift, loss, strict=True)]
    text = " | ".join(" ".join(str(n or "-") for n in firsts) for firsts in (drift, loss, either))
    return f"{flagged:3}/{windows} {sum(map(bool, either)):2} worlds ask: {text}"


def _first(asks: list[bool]) -> int:
    """The window, counted from 1, in which a request came; 0: none."""
    return asks.index(True) + 2 if any(asks) else 0


def _windows(model: Model, profile: ReferenceProfile, frame: pl.DataFrame) -> Iterator[tuple[set[str], bool]]:
    time = pl.col(model.dataset.time)
    for window in complete_windows(CUT, END, model.monitor.window):
        part = frame.filter(time >= window.start, time < window.end)
        found = evaluate(
            model,
            profile,
            probabilities=part[PREDICTION].to_numpy(),
            labels=part[LABEL].to_numpy(),
            weights=part_weights(model, profile, part),
        )
        drifted = {c.name for c in assess(model, profile, part) if c.status is Status.DRIFTED}
        yield drifted, found.standing is PerformanceState.DEGRADED


def _year(seed: int, climate: Climate) -> pl.DataFrame:
    return _hours(CUT, END + timedelta(days=1), seed, climate)


def _hours(start: datetime, until: datetime, seed: int, climate: Climate) -> pl.DataFrame:
    frame = generate_hours(start, (until - start) // HOUR, seed=seed, climate=climate)
    time = pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC")
    frame = frame.with_columns(time.cast(pl.Datetime("us", "UTC")))
    truth = labels(WEATHER, frame, now=datetime(2030, 1, 1, tzinfo=UTC))
    return frame.with_columns(truth.cast(pl.Float64).fill_null(float("nan")).alias(LABEL))


def _reference(seed: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray, object]:
    """Rows, out-of-sample probabilities of the last folds, labels, and the forest of the last fold."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    frame = _hours(START, CUT, seed, TODAY)
    values, truth = build_features(WEATHER, frame).values, frame[LABEL].to_numpy()
    probabilities = np.full(frame.height, np.nan)
    for fold in range(FOLDS, 0, -1):
        begin, end = frame.height - fold * FOLD_ROWS, frame.height - (fold - 1) * FOLD_ROWS
        forest = RandomForestClassifier(TREES, max_depth=10, min_samples_leaf=5, n_jobs=2, random_state=0)
        pipeline = make_pipeline(SimpleImputer(), forest)
        known = slice(0, begin - HORIZON_ROWS)
        pipeline.fit(values[known], truth[known])
        probabilities[begin:end] = pipeline.predict_proba(values[begin:end])[:, 1]
    return frame, probabilities, truth, pipeline


def _foretold(frame: pl.DataFrame, pipeline: object) -> pl.DataFrame:
    values = build_features(WEATHER, frame).values
    return frame.with_columns(pl.Series(PREDICTION, pipeline.predict_proba(values)[:, 1]))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
