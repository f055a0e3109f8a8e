"""What the cells of one column show: its type, how it is written, what means nothing in it."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from almanac.config.grammar.column_names import problem_of_name
from almanac.config.sections.dataset import Column
from almanac.data.ingest.parsing import read_numbers

if TYPE_CHECKING:
    import polars as pl

NOTHING = ("NA", "N/A", "n/a", "NULL", "Null", "null", "None", "nan", "NaN", "#N/A")
"""Texts that mean an empty cell wherever they stand."""
_MAYBE_NOTHING = ("-", "--", "?", ".", "..", "missing", "unknown", "*")
_SENTINELS = (-999.0, -9999.0, -99999.0)
_FEW = 20  # different texts: their list is a rule worth having
_READABLE = 0.98  # of the cells that mean something: a column of numbers with a few faults is one of numbers
_SHOWN = 3
_WHOLE = r"^\s*[+-]?\d{1,18}(?:\.0+)?\s*$"


@dataclass(frozen=True)
class ProfiledColumn:
    """One column.

    Attributes:
        name: the name that it can have; `source` is the file's.
        nullable: whether cells are empty, or mean nothing.
        distinct: how many different cells there are.
        values: its only values, if it is a text and they are few.
        low: the smallest number, `high` the largest.
        nulls: texts that mean an empty cell in this column alone.
        unread: how many cells are no numbers although most are.
        doubt: how else its cells could be read.
        counts_rows: whether it only numbers the rows, one after the other.
        missing: how many cells are empty or mean nothing.
        examples: some of its texts, as they stand in the file.
    """

    name: str
    source: str
    type: Literal["float", "integer", "string"]
    nullable: bool
    distinct: int
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    nulls: tuple[str, ...] = ()
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'"] | None = None
    unread: int = 0
    doubt: str = ""
    counts_rows: bool = False
    missing: int = 0
    examples: tuple[str, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether no cell says anything else than another, empty ones apart."""
        return self.distinct <= 1


def look_at_column(
    cells: "pl.Series", name: str, *, as_text: bool = False, runs: int = 1
) -> "tuple[ProfiledColumn, pl.Series]":
    """What a column shows, and its typed values, null where a cell is empty or cannot be read.

    Args:
        cells: texts; null where they are empty, or mean nothing in the whole file.
        name: the name that it is to have.
        as_text: it is taken as a text, whatever it looks like.
        runs: of neighbouring rows, at most.
    """
    texts = cells.str.strip_chars()
    blank = ("",) if (texts == "").any() else ()  # a cell of spaces is no empty one, unless that is said
    texts = texts.set(texts == "", None)
    known = texts.drop_nulls()
    found = None if as_text or known.is_empty() else _as_numbers(texts, name, runs)
    shown = tuple(known.head(1000).unique(maintain_order=True).head(_SHOWN).to_list())
    if found is not None:
        seen, numbers = found
        nulls = (*seen.nulls, *blank)
        return replace(seen, source=cells.name, missing=numbers.null_count(), examples=shown, nulls=nulls), numbers
    values = known.unique().sort().to_list()
    return (
        ProfiledColumn(
            name,
            cells.name,
            "string",
            len(known) < len(texts),
            len(values),
            values=tuple(values) if len(values) <= _FEW else (),
            nulls=blank,
            missing=texts.null_count(),
            examples=shown,
        ),
        texts,
    )


def usable_names(header: tuple[str, ...]) -> dict[str, str]:
    """The file's columns -> names that declared columns can have; none twice, however they are written."""
    names: dict[str, str] = {}
    for place, source in enumerate(header, 1):
        plain = re.sub(r"\s+", " ", source).strip()[:100]
        name = plain if not problem_of_name(plain) else f"column_{place}"
        while name.casefold() in {other.casefold() for other in names.values()}:
            name += "_2"
        names[source] = name
    return names


def _as_numbers(texts: "pl.Series", name: str, runs: int) -> "tuple[ProfiledColumn, pl.Series] | None":
    """The column as one of numbers, if nearly all of its cells are written as such in one way."""
    import polars as pl

    known = texts.drop_nulls()
    nothing = tuple(token for token in _MAYBE_NOTHING if (known == token).any())
    meant = known.filter(~known.is_in(nothing)) if nothing else known
    if meant.is_empty():
        return None
    ways = [(decimal, thousands) for decimal, thousands in _WAYS if _may_be(meant, decimal, thousands)]
    best = max(ways, key=lambda way: int(_read(meant, *way).count()))
    count = _read(meant, *best).count()
    if count < _READABLE * len(meant):
        return None
    numbers = _read(texts, *best)
    others = [way for way in ways if way != best and _read(meant, *way).count() == count]
    doubt = next((_in_words(texts, best, way) for way in others if not _read(texts, *way).equals(numbers)), "")
    sentinels = [value for value in _SENTINELS if (numbers == value).sum() > 1 and _stands_apart(numbers, value)]
    numbers = numbers.set(numbers.is_in(sentinels), None) if sentinels else numbers
    whole = best == (".", None) and bool(meant.str.contains(_WHOLE).all())
    low, high = (None if end is None else float(str(end)) for end in (numbers.min(), numbers.max()))
    decimal, thousands = best
    seen = ProfiledColumn(
        name=name,
        source="",
        type="integer" if whole else "float",
        nullable=numbers.null_count() > 0,
        distinct=numbers.drop_nulls().n_unique(),
        low=low,
        high=high,
        nulls=(*nothing, *(f"{value:.0f}" for value in sentinels)),
        decimal=None if decimal == "." else ",",
        thousands=thousands,
        unread=len(meant) - count,
        doubt=doubt,
        counts_rows=whole and _counts(numbers, runs),
    )
    return seen, numbers.cast(pl.Int64, strict=False) if whole else numbers


_WAYS: tuple[tuple[Literal[".", ","], Literal[",", ".", " ", "'"] | None], ...] = (
    (".", None),
    (",", None),
    (".", ","),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
)


def _may_be(texts: "pl.Series", decimal: str, thousands: str | None) -> bool:
    """Whether a way of writing numbers has anything to read here that the plain way has not."""
    signs = {",": r",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "'"}
    plain = decimal == "." and thousands is None
    return plain or any(
        bool(texts.str.contains(rf"\d{signs[sign]}\d").any())
        for sign in (thousands, None if decimal == "." else decimal)
        if sign
    )


def _read(texts: "pl.Series", decimal: Literal[".", ","], thousands: Literal[",", ".", " ", "'"] | None) -> "pl.Series":
    return read_numbers(texts, Column(type="float", decimal=decimal, thousands=thousands))


def _counts(numbers: "pl.Series", runs: int) -> bool:
    """Whether the numbers are those from one on, in any order; of runs of rows, whether they rise by one in each."""
    if len(numbers) <= 2 or numbers.null_count():
        return False
    low, high = (float(str(end)) for end in (numbers.min(), numbers.max()))
    if numbers.n_unique() == len(numbers) == high - low + 1:
        return True
    steps = numbers.diff().drop_nulls()
    return bool((steps > 0).all()) and int((steps != 1).sum()) < runs


def _in_words(texts: "pl.Series", way: tuple[str, str | None], other: tuple[str, str | None]) -> str:
    """That the cells can be read in two ways, with an example."""
    example = next((text for text in texts.drop_nulls() if re.search(r"\d[,.' ]\d", text)), "")
    declared = [
        f"decimal sign {decimal!r}, {f'{sign!r} between groups' if sign else 'no groups'}"
        for decimal, sign in (way, other)
    ]
    return f"{example!r} was read with {declared[0]}; it could also have {declared[1]}"


def _stands_apart(numbers: "pl.Series", value: float) -> bool:
    """Whether a number such as -999 is far below all others: nobody measures it."""
    others = numbers.filter(numbers != value)
    low = others.min()
    return low is not None and float(str(low)) > value / 10
