"""What a model saw of a row, in one number: equal features give an equal number, on every machine and for ever."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW = 8  # rows, up to which plain whole numbers are faster than an array for each step
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, 0xFFFFFFFFFFFFFFFF
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def hash_features(values: "NDArray[np.float32]") -> "NDArray[np.int64]":
    """A 64-bit number for each row; it tells rows apart, and is no protection against forgery.

    SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) over the
    bits of each float32, column after column. All NaNs are one; 0 and -0 are one.

    Args:
        values: float32 [n, k]; the order of columns counts.
    """
    import numpy as np

    clean = np.where(np.isnan(values), np.float32("nan"), values + np.float32(0))  # one NaN; -0 + 0 is 0
    bits = np.ascontiguousarray(clean, dtype=np.float32).view(np.uint32)
    if len(bits) <= _FEW:
        few: NDArray[np.int64] = np.array([_hash_row(row) for row in bits.tolist()], dtype=np.uint64).view(np.int64)
        return few
    bits = bits.astype(np.uint64)
    state = np.full(len(values), bits.shape[1], dtype=np.uint64)
    shifted = np.empty_like(state)
    for column in range(bits.shape[1]):
        state += np.uint64(_GOLDEN)
        state ^= bits[:, column]
        for shift, factor in _ROUNDS:  # in place: new arrays of this size cost more than the arithmetic
            np.right_shift(state, np.uint64(shift), out=shifted)
            state ^= shifted
            state *= np.uint64(factor)
    hashed: NDArray[np.int64] = state.view(np.int64)
    return hashed


def _hash_row(bits: list[int]) -> int:
    """The same of one row."""
    state = len(bits)
    for each in bits:
        state = ((state + _GOLDEN) & _MASK) ^ each
        for shift, factor in _ROUNDS:
            state = ((state ^ (state >> shift)) * factor) & _MASK
    return state
