"""Whose row it is: without a time, rows of one group stand on one side of every split, by a hash that never changes.

The hash is made of the values alone, not of places in the table: rows that are added, corrected or delivered again move
no other row to another side, and no later version of a library does.
"""

import hashlib
from typing import TYPE_CHECKING

from almanac.config.schema import Model

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

_BYTES = 8


def group_columns(model: Model) -> tuple[str, ...]:
    """The columns that say whose row it is; none of a dataset with a time.

    They are those of `dataset.group`, else the key, else all that a file has but the label: copies of a row, the label
    known or not, belong together.
    """
    dataset = model.dataset
    if not dataset.is_arrival:
        return ()
    if dataset.group or dataset.has_key:
        return dataset.group or dataset.key
    return tuple(name for name in dataset.delivered if name != model.label.column)


def split_groups(model: Model, frame: "pl.DataFrame") -> "Hashes | None":
    """A hash of each row's group, uint64 [n]; None where the dataset has a time, and is split by that.

    Args:
        model: declares what a group is.
        frame: at least `group_columns`.
    """
    columns = group_columns(model)
    return hash_values(frame.select(columns)) if columns else None


def shuffled(model: Model, frame: "pl.DataFrame") -> "pl.DataFrame":
    """Rows without a time by their arrival, and those of one delivery in an order that says nothing: by their hash.

    Files are sorted by a column, by the label even. Whatever takes the last rows, or blocks of neighbouring ones, would
    see a part of the world only. Of a dataset with a time the rows stay as they are.
    """
    import polars as pl

    groups = split_groups(model, frame)
    if groups is None:
        return frame
    by = [pl.col(model.dataset.time), pl.Series("_order", groups)]
    return frame.sort(by, maintain_order=True)


def hash_values(frame: "pl.DataFrame") -> "Hashes":
    """A hash of each row's values by the names of their columns, uint64 [n].

    An empty cell counts as no cell: a column that is declared later moves no earlier row.
    """
    import numpy as np

    total = np.zeros(frame.height, dtype=np.uint64)
    for column in frame.columns:
        bits, known = _bits(frame[column])
        total += np.where(known, _mixed(bits ^ np.uint64(bits_of_text(column))), np.uint64(0))
    return _mixed(total)


def places(groups: "Hashes", *, level: int = 0) -> "NDArray[np.float64]":
    """The place of each group between 0 and 1, as if drawn [n]; each level draws other ones."""
    import numpy as np

    for _ in range(level):
        groups = _mixed(groups ^ np.uint64(bits_of_text("level")))
    drawn: NDArray[np.float64] = (groups >> np.uint64(11)).astype(np.float64) / 2.0**53
    return drawn


def is_held_out(model: Model, groups: "Hashes") -> "NDArray[np.bool_]":
    """Whether the rows of a group are in the hold-out, [n]: no version of this split was trained on them."""
    held: NDArray[np.bool_] = places(groups) >= 1 - model.train.backtest.share
    return held


def _bits(values: "pl.Series") -> "tuple[Hashes, NDArray[np.bool_]]":
    """64 bits of each value, and whether there is one. Equal numbers have equal bits."""
    import numpy as np
    import polars as pl

    if values.dtype == pl.String:
        return text_bits(values).fill_null(0).to_numpy(), values.is_not_null().to_numpy()
    if values.dtype.is_float():
        numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy() + 0.0  # -0.0 is 0.0
        there = ~np.isnan(numbers)
        return np.where(there, numbers, 0.0).view(np.uint64), there
    whole = values.cast(pl.Datetime("us", "UTC")) if values.dtype.is_temporal() else values
    return whole.cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64), values.is_not_null().to_numpy()


def text_bits(values: "pl.Series") -> "pl.Series":
    """64 bits of each text, UInt64 [n]; null where there is none. Each different text is hashed once."""
    import polars as pl

    texts = values.drop_nulls().unique()
    known = pl.DataFrame(
        {"text": texts, "bits": pl.Series([bits_of_text(text) for text in texts], dtype=pl.UInt64)},
        schema={"text": pl.String, "bits": pl.UInt64},
    )
    return values.alias("text").to_frame().join(known, on="text", how="left", maintain_order="left")["bits"]


def bits_of_text(text: str) -> int:
    """64 bits of one text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_BYTES).digest(), "big")


def _mixed(bits: "Hashes") -> "Hashes":
    """Every bit of the result depends on every bit: SplitMix64 (Steele, Lea and Flood, 2014), the output function."""
    import numpy as np

    z = bits + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
