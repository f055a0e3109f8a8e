"""The fitted mappings of categories, in the words of its data: for the passport and the model card."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.training.backtest.backtest import LabelledRows
from almanac.training.fit.candidates import encoder_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class FittedCategory:
    """One category.

    Attributes:
        name: as the dataset has it; of two names with one number both.
        rows: its training rows.
        becomes: the numbers that the estimator sees in its place, None for no value; empty: a column of its own.
    """

    name: str
    rows: int
    becomes: tuple[float | None, ...]

    @property
    def words(self) -> str:
        """What the estimator sees, in words."""
        numbers = ("no value" if number is None else f"{number:.4f}" for number in self.becomes)
        return ", ".join(numbers) or "a column of its own"


@dataclass(frozen=True)
class CategoryMapping:
    """The mapping of one feature.

    Attributes:
        feature: its name.
        encode: how, as it is declared.
        unknown: what a category without training rows of its own is.
        known: those with a value of their own, by falling number of rows.
        other: all others together.
    """

    feature: str
    encode: str
    unknown: str
    known: tuple[FittedCategory, ...]
    other: FittedCategory

    @property
    def words(self) -> str:
        """What is done with names that have no value of their own, in words."""
        if self.encode == "one_hot" and self.unknown == "other":
            becomes = "a column of their own" if self.other.rows else "0 in all columns, because there was none"
        else:
            becomes = "a missing value" if self.unknown == "missing" else self.other.words
        return f"All other names, in {self.other.rows:,} training rows: {becomes}."


def fitted_categories(pipeline: "Pipeline", rows: LabelledRows) -> tuple[CategoryMapping, ...]:
    """The tables of a fitted pipeline; empty where it encodes no category.

    Args:
        pipeline: fitted.
        rows: give the names behind the numbers.
    """
    encoder = encoder_of(pipeline)
    if encoder is None:
        return ()
    found = []
    for column, codes, table, counts in zip(
        encoder.columns, encoder.codes_, encoder.tables_, encoder.rows_, strict=True
    ):
        feature, encode = rows.names[column["position"]], column["encode"]
        names = rows.categories.get(feature, {})
        known = [
            FittedCategory(names.get(code, f"number {code:.0f}"), int(count), _numbers(encode, line))
            for code, count, line in zip(codes.tolist(), counts, table, strict=False)
        ]
        other = FittedCategory("other", int(counts[len(codes)]), _numbers(encode, table[len(codes)]))
        by_rows = tuple(sorted(known, key=lambda one: (-one.rows, one.name)))
        found.append(CategoryMapping(feature, encode, column["unknown"], by_rows, other))
    return tuple(found)


def _numbers(encode: str, line: "NDArray[np.float32]") -> tuple[float | None, ...]:
    if encode == "one_hot":
        return ()
    return tuple(None if value != value else value for value in line.tolist())
