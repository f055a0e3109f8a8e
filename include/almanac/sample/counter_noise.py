"""Random numbers as a pure function of (seed, stream, index).

A generator that is drawn from in order gives an hour a different number when the series starts elsewhere.
These numbers belong to the hour itself, so any slice of time can be made alone, and always the same.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np  # noqa: TID253  # no DAG file imports demo/, and this module is arithmetic on arrays only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def uniform(seed: int, stream: str, index: Ints) -> Floats:
    """Draw one number in the open interval (0, 1) for each index.

    SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) over the counter.

    Args:
        seed: of the whole world.
        stream: a name; each name is an independent series.
        index: counters, any shape; negative ones are allowed.
    """
    name = np.array([zlib.crc32(stream.encode())], dtype=np.uint64)
    key = _mix(_mix(np.array([seed % 2**64], dtype=np.uint64)) ^ name)
    bits = _mix(key + index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def normal(seed: int, stream: str, index: Ints) -> Floats:
    """Draw one standard normal number for each index; same arguments as `uniform`."""
    from scipy.special import ndtri

    drawn: Floats = ndtri(uniform(seed, stream, index))
    return drawn


def smooth_normal(seed: int, stream: str, index: Ints, *, memory_h: float) -> Floats:
    """Filter consecutive draws into a smooth series of mean 0 and deviation 1 that forgets after `memory_h`.

    Two equal first-order recursions in a row, so that the change over one hour is small beside the change over a
    day (as air pressure behaves). The first ten times `memory_h` values are a warm-up and should be dropped.
    """
    from scipy.signal import lfilter

    decay = float(np.exp(-1.0 / memory_h))
    gain = np.sqrt((1 - decay**2) ** 3 / (1 + decay**2))
    series: Floats = lfilter([gain], [1.0, -2 * decay, decay**2], normal(seed, stream, index))
    return series


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
