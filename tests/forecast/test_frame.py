"""The frame check: each fault sets its grain aside by itself, and too many of them stop the run."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from almanac.forecast.frame import FrameRules, frame_problems, microseconds, problems_of
from tests.forecast.shop import NEWEST, NOW, START, WEEK, WEEKS, declare

STEP = WEEK // timedelta(microseconds=1)
RULES = FrameRules(STEP, needed=25, newest_us=microseconds(NEWEST), now_us=microseconds(NOW))
TIMES = microseconds(START) + np.arange(WEEKS) * STEP
VALUES = 100 + np.sin(np.arange(WEEKS))


def changed(array: np.ndarray, place: int, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


BAD = {
    "future": (np.append(TIMES, TIMES[-1] + STEP), np.append(VALUES, 1.0), "future: 1 rows .* first at 2023-12-04"),
    "order": (changed(TIMES, 50, TIMES[49] - 3 * STEP), VALUES, "order: a row is older .* at 2022-11-21"),
    "duplicates": (np.insert(TIMES, 50, TIMES[50]), np.insert(VALUES, 50, 7.0), "duplicates: 1 times .* is 2022-12-19"),
    "grid": (changed(TIMES, 50, TIMES[50] + STEP // 7), VALUES, "grid: a row is no whole number .* at 2022-12-20"),
    "gaps": (np.delete(TIMES, [50, 51]), np.delete(VALUES, [50, 51]), "gaps: 2 steps .* first after 2022-12-12"),
    "empty": (TIMES, changed(VALUES, 50, np.nan), "empty: 1 rows have no value, the first at 2022-12-19"),
    "infinite": (TIMES, changed(VALUES, 50, np.inf), "empty: 1 rows have no value, the first at 2022-12-19"),
    "short": (TIMES[-24:], VALUES[-24:], "short: got 24 steps, expected at least 25"),
    "ended": (TIMES[:-1], VALUES[:-1], "ended: its newest row is of 2023-11-20 .* of 2023-11-27"),
    "zero": (TIMES, np.zeros(WEEKS), "zero: all values are 0"),
    "constant": (TIMES, np.full(WEEKS, 3.0), "constant: all values are 3"),
}


@pytest.mark.parametrize("fault", BAD)
def test_grain_with_a_fault_is_set_aside_with_that_reason_alone(fault: str) -> None:
    times, values, message = BAD[fault]
    (problem,) = problems_of(times, values, RULES)
    import re

    assert re.match(message, problem), problem


def test_grain_of_just_enough_steps_is_good() -> None:
    assert problems_of(TIMES, VALUES, RULES) == []
    assert problems_of(TIMES[-25:], VALUES[-25:], RULES) == []


@pytest.mark.parametrize(("bad", "stops"), [(5, False), (6, True), (10, True)])
def test_frame_with_more_bad_grains_than_allowed_stops_the_run(tmp_path: Path, bad: int, stops: bool) -> None:
    model = declare(tmp_path, {"max_set_aside": 0.5})
    problems = frame_problems(model, 10, {f"S{number}": "gaps: 1; zero: all" for number in range(bad)})
    assert bool(problems) == stops
    if stops:
        assert problems[0].startswith(
            f"{bad} of 10 grains cannot be forecast (gaps {bad}, zero {bad}), such as S0: gaps"
        )


def test_frame_of_bad_grains_alone_stops_the_run_whatever_is_allowed(tmp_path: Path) -> None:
    model = declare(tmp_path, {"max_set_aside": 1.0})
    assert frame_problems(model, 2, {"A": "short: x"}) == []
    assert "2 of 2 grains" in frame_problems(model, 2, {"A": "short: x", "B": "short: x"})[0]


def test_frame_without_rows_stops_the_run(tmp_path: Path) -> None:
    assert frame_problems(declare(tmp_path), 0, {}) == ["the dataset has no row that is not in the future"]
