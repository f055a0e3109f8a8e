from datetime import timedelta

import numpy as np
import pytest

from almanac.statistics.dependence import design_effect, number_indicators

HOUR_US = 3_600_000_000
MONTH = timedelta(days=30)


def measured(values: np.ndarray, part: np.ndarray | None = None, window: timedelta = MONTH) -> float:
    part = np.zeros(len(values), dtype=np.int64) if part is None else part
    found = design_effect(number_indicators(values, part), part, np.arange(len(values)) * HOUR_US, window)
    assert found is not None
    return found[0]


def chain(memory: float, n: int, seed: int) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -memory], np.random.default_rng(seed).normal(size=n))


def test_design_effect_independent_rows_is_one() -> None:
    assert measured(np.random.default_rng(0).normal(size=3 * 8760)) == pytest.approx(1.0, abs=0.3)


def test_design_effect_autoregression_is_what_theory_says() -> None:
    """For the mean of AR(1) it is (1 + a) / (1 - a) = 19; for P(X < median), 1 + 2 sum of 2/pi asin(a^k) = 13.4."""
    ranks = 1 + 2 * sum(2 / np.pi * np.arcsin(0.9**k) for k in range(1, 400))
    found = np.mean([measured(chain(0.9, 6 * 8760, seed)) for seed in range(4)])
    assert 0.75 * ranks < found < 1.25 * 19


def test_design_effect_seasons_are_no_dependence_within_their_part() -> None:
    rng = np.random.default_rng(5)
    part = np.arange(3 * 8760) // 730 % 12
    values = rng.normal(size=len(part)) + 10.0 * part
    assert measured(values) > 50
    assert measured(values, part) == pytest.approx(1.0, abs=0.4)


def test_design_effect_short_reference_is_measured_on_shorter_blocks() -> None:
    values = np.random.default_rng(2).normal(size=24 * 60)
    part = np.zeros(len(values), dtype=np.int64)
    found = design_effect(number_indicators(values, part), part, np.arange(len(values)) * HOUR_US, MONTH)
    assert found is not None
    assert found[1] < MONTH


def test_design_effect_too_few_rows_is_unknown() -> None:
    values = np.random.default_rng(2).normal(size=5)
    part = np.zeros(5, dtype=np.int64)
    assert design_effect(number_indicators(values, part), part, np.arange(5) * HOUR_US, MONTH) is None


def test_design_effect_of_a_long_memory_is_carried_on_from_short_blocks() -> None:
    """Two months of a memory of 42 days: blocks of days alone would call its rows far more independent."""
    found = []
    for seed in range(6):
        values = chain(0.999, 24 * 60, seed)
        found.append(measured(values))
    assert np.median(found) > 150


def test_design_effect_of_independent_rows_does_not_grow_from_short_blocks() -> None:
    found = [measured(np.random.default_rng(seed).normal(size=24 * 60)) for seed in range(6)]
    assert np.median(found) < 1.5
