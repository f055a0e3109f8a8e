"""A quiet year asks for nothing, a changed climate is seen; `bench/quiet_year.py` measures more worlds."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.monitoring.checks.drift import Status, assess
from almanac.sample.climate import Climate
from almanac.sample.weather_generator import CHANGED_CLIMATE, TODAY
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.profiling import build_profile
from almanac.windows.window import complete_windows
from tests.monitoring.world import WEATHER, hours

START, CUT, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2024, 2025))


def drifted(profile: ReferenceProfile, seed: int, climate: Climate) -> list[set[str]]:
    """The drifted columns of each window of 2024."""
    frame = hours(CUT, END + timedelta(days=1), seed=seed, climate=climate)
    time = pl.col("Timestamp")
    windows = complete_windows(CUT, END, WEATHER.monitor.window)
    parts = (frame.filter(time >= window.start, time < window.end) for window in windows)
    return [{c.name for c in assess(WEATHER, profile, part) if c.status is Status.DRIFTED} for part in parts]


def first_request(found: list[set[str]]) -> int | None:
    running = (number for number in range(1, len(found)) if found[number] & found[number - 1])
    return next(running, None)


@pytest.fixture(scope="module", params=[1, 2])
def world(request: pytest.FixtureRequest) -> tuple[int, ReferenceProfile]:
    frame = hours(START, CUT, seed=request.param)
    unknown = np.full(frame.height, np.nan)
    return request.param, build_profile(WEATHER, frame, probabilities=unknown, labels=unknown)


def test_quiet_year_requests_nothing(world: tuple[int, ReferenceProfile]) -> None:
    seed, profile = world
    found = drifted(profile, seed, TODAY)
    assert len(found) == 11
    assert first_request(found) is None


def test_changed_climate_is_requested_within_two_windows(world: tuple[int, ReferenceProfile]) -> None:
    seed, profile = world
    assert first_request(drifted(profile, seed, CHANGED_CLIMATE)) == 1
