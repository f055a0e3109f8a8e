"""How much less than independent rows the rows of a time series say.

Neighbouring hours are alike: 720 of them in a month of weather say about as much on the distribution of pressure as
20 independent ones, and a test that counts 720 calls every month surprising.
"""

from datetime import timedelta
from math import log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_LEVELS = tuple(level / 10 for level in range(1, 10))
_MIN_BLOCKS = 8
_MAX_SHARE = 0.5  # a block that is most of its part of the year cannot be compared with the rest of it
_SHORTEST = 1 / 30  # of the window
_MAX_GROWTH = 2.0  # twice the rows say no more than before: the most that a block of twice the length can lose


def number_indicators(values: "Floats", part: "Ints") -> "NDArray[np.bool_]":
    """Whether each value lies at or below each decile of its own part, [n, 9]."""
    import numpy as np

    limits = np.vstack([np.quantile(values[part == p], _LEVELS) for p in range(int(part.max()) + 1)])
    below: NDArray[np.bool_] = values[:, None] <= limits[part]
    return below


def design_effect(
    indicators: "NDArray[np.bool_]", part: "Ints", times_us: "Ints", window: timedelta
) -> tuple[float, timedelta] | None:
    """By what factor the variance of window shares is larger than with independent rows.

    The ratio of the observed to the binomial variance of block means (batch means; Kish 1965 calls it the design
    effect), each block against the rest of its own part of the year, summed over all indicators. Blocks are as long
    as the monitor's window, so everything that makes one quiet window differ from another is in it: memory, its
    place in the season, good and bad years. Where the reference is too short for such blocks they are halved, and the
    factor is carried on to the window's length as it grew between blocks of half the length and these: rows with a long
    memory look more independent, the shorter the blocks are.

    Args:
        indicators: [n, q].
        part: number of the part of the year, 0 to p - 1, none of them empty, [n].
        times_us: event times in microseconds since 1970, [n].
        window: the length of the monitor's window.

    Returns:
        The factor, at least 1, and the length of the blocks that it was measured on; None when even short blocks
        are too few.
    """
    length = window
    while length >= window * _SHORTEST:
        factor = _of_blocks(indicators, part, times_us, length)
        if factor is not None:
            halvings = log2(window / length)
            shorter = _of_blocks(indicators, part, times_us, length / 2) if halvings else None
            growth = 1.0 if shorter is None else min(max(factor / shorter, 1.0), _MAX_GROWTH)
            return factor * growth**halvings, length
        length /= 2
    return None


def _of_blocks(indicators: "NDArray[np.bool_]", part: "Ints", times_us: "Ints", length: timedelta) -> float | None:
    factor = _factor(indicators.astype(float), part, times_us // (length // timedelta(microseconds=1)))
    return None if factor is None else max(factor, 1.0)


def _factor(indicators: "Floats", part: "Ints", block: "Ints") -> float | None:
    import numpy as np

    parts = int(part.max()) + 1
    rows_of_part = np.bincount(part, minlength=parts)
    share_of_part = np.vstack([indicators[part == p].mean(axis=0) for p in range(parts)])
    _, block = np.unique(block, return_inverse=True)
    rows = np.bincount(block)
    inside = np.bincount(block * parts + part, minlength=len(rows) * parts).reshape(len(rows), parts).astype(float)
    share = (inside**2 / rows_of_part).sum(axis=1) / rows  # of its part's rows that a block holds
    usable = (rows >= np.median(rows) / 2) & (share <= _MAX_SHARE)
    if usable.sum() < _MIN_BLOCKS:
        return None
    deviation = np.stack(
        [
            np.bincount(block, weights=one - shares[part], minlength=len(rows))
            for one, shares in zip(indicators.T, share_of_part.T, strict=True)
        ],
        axis=1,
    )
    binomial = inside @ (share_of_part * (1 - share_of_part)) * (1 - share)[:, None]
    expected = float(binomial[usable].sum())
    return float((deviation[usable] ** 2).sum()) / expected if expected > 0 else 1.0
