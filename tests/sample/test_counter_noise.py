import numpy as np
import pytest
from scipy.stats import kstest

from almanac.sample.counter_noise import normal, smooth_normal, uniform

INDEX = np.arange(200_000, dtype=np.int64)


def test_uniform_many_counters_fill_the_interval_evenly():
    drawn = uniform(1, "a stream", INDEX)

    assert kstest(drawn, "uniform").pvalue > 0.001
    assert 0.0 < drawn.min() < drawn.max() < 1.0


def test_uniform_one_counter_gives_its_number_wherever_it_stands():
    drawn = uniform(1, "a stream", INDEX)

    assert np.array_equal(uniform(1, "a stream", INDEX[500:510]), drawn[500:510])


@pytest.mark.parametrize(("seed", "stream"), [(2, "a stream"), (1, "b stream")])
def test_uniform_another_seed_or_stream_is_independent(seed, stream):
    correlation = np.corrcoef(uniform(1, "a stream", INDEX), uniform(seed, stream, INDEX))[0, 1]

    assert abs(correlation) < 0.01


def test_normal_neighbours_are_independent():
    drawn = normal(1, "a stream", INDEX)

    assert drawn.mean() == pytest.approx(0.0, abs=0.01)
    assert drawn.std() == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.01


def test_smooth_normal_has_unit_deviation_and_forgets():
    series = smooth_normal(1, "a stream", INDEX, memory_h=10)[200:]

    assert series.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(series[1:], series[:-1])[0, 1] > 0.98
    assert abs(np.corrcoef(series[100:], series[:-100])[0, 1]) < 0.05
