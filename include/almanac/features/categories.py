"""Names as numbers that a graph can take: the same number for the same name, on every machine and for ever.

Nothing is fitted here, so that a request, a batch and a training see the same. What is fitted to a name is looked up by
its number, in the graph.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import CategoryFeature
from almanac.features.split_groups import text_bits

if TYPE_CHECKING:
    import polars as pl

CODE_BITS = 24
"""A float32 holds each whole number of so many bits. Of 1,000 names two share a number once in 34 models."""


def category_codes(values: "pl.Series") -> "pl.Series":
    """The number of each name, from 1 to 2^24, float64 [n]; null where there is none."""
    import polars as pl

    bits = text_bits(values.cast(pl.String))
    return ((bits // (1 << (64 - CODE_BITS))) + 1).cast(pl.Float64)


def category_names(model: Model, frame: "pl.DataFrame") -> Mapping[str, Mapping[float, str]]:
    """The names behind the numbers, by feature; of names that share one, all. For people only.

    Args:
        model: declares the features.
        frame: the columns that they read.
    """
    found: dict[str, dict[float, str]] = {}
    for feature in model.features:
        if isinstance(feature, CategoryFeature):
            names = frame[feature.column].drop_nulls().unique().sort()
            of_one = found.setdefault(feature.names[0], {})
            for code, name in zip(category_codes(names), names, strict=True):
                of_one[code] = f"{of_one[code]} | {name}" if code in of_one else str(name)
    return found
