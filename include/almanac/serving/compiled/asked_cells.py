"""The typed rows of one request, by column, and where their features find each other and the rows before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from almanac.serving.compiled.cells import Cell, UnclearError
from almanac.serving.compiled.past import Key, Past, PastGroup

NOT_A_NUMBER = float("nan")


@dataclass(frozen=True, eq=False)
class AskedCells:
    """Rows of one request, each key once.

    Attributes:
        times: microseconds since 1970, [n].
        values: of each column, [n].
        key: the columns of the key beside the time.
        past: the rows before; None: no feature looks at others.
    """

    times: Sequence[int]
    values: Mapping[str, Sequence[Cell]]
    key: tuple[str, ...]
    past: Past | None = None

    def numbers(self, column: str) -> list[float]:
        """A column of numbers, NaN where unknown."""
        return [NOT_A_NUMBER if each is None else float(each) for each in self.values[column]]

    def keys(self, columns: tuple[str, ...]) -> list[Key]:
        """The values of some columns of each row; in none of them may one be unknown."""
        parts = [self.values[name] for name in columns]
        found: list[Key] = list(zip(*parts, strict=True)) if parts else [()] * len(self.times)
        if any(None in key for key in found):
            raise UnclearError
        return found

    @cached_property
    def own(self) -> Mapping[tuple[Key, int], int]:
        """Key and time of each row -> its place in the request."""
        return {found: place for place, found in enumerate(zip(self.keys(self.key), self.times, strict=True))}

    @cached_property
    def replaced(self) -> frozenset[int]:
        """The numbers of rows of the dataset in whose place those of the request count."""
        group = self.group(self.key)
        places = (group.place(key, time) for key, time in self.own)
        return frozenset(int(group.numbers[place]) for place in places if place is not None)

    def group(self, columns: tuple[str, ...]) -> PastGroup:
        """The rows before, grouped by these columns."""
        if self.past is None:
            raise UnclearError
        return self.past.by(columns)
