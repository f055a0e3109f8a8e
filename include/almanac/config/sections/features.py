"""The section `features` of a model's YAML: what a model sees of a row. No feature can see its row's future."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration, check_timezone, format_duration
from almanac.config.sections.dataset import Column
from almanac.config.sections.own_features import OwnFeatures

MOST_CATEGORIES = 10_000
"""Names of one column with a value of their own; each is a line of the passport and of the graph."""

MOST_HASHED = 16_384
"""Columns of one text."""

MOST_COLUMNS = 20_000
"""Columns of all features together: a row then takes 80 kB of memory."""

_FORMS = ("change", "lag", "cycle", "equals", "one_of", "missing", "age")


class ColumnFeature(Section):
    """A column as it stands, or in one other form. Where the value is unknown, so is the feature, but for `missing`."""

    column: str = Field(description="Of the dataset, or `join.column`.")
    change: Duration | None = Field(None, description="Its value minus the value exactly this long ago.")
    lag: Duration | None = Field(None, description="Its value exactly this long ago.")
    cycle: Annotated[float, Field(gt=0)] | None = Field(None, description="Its position on a circle of this size.")
    equals: str | None = Field(None, description="1 where it has this value, else 0.")
    one_of: tuple[str, ...] | None = Field(None, min_length=1, description="One 1 among 0s; another value: all 0.")
    missing: Literal[True] | None = Field(None, description="1 where it is unknown, else 0.")
    age: Literal[True] | None = Field(
        None, description="Hours from this time to the row's; negative: it is in the future."
    )

    @property
    def form(self) -> str | None:
        """Which form is declared; None: as it stands."""
        return next((form for form in _FORMS if getattr(self, form) is not None), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the feature's columns."""
        match self.form:
            case "cycle":
                return f"{self.column}_sin", f"{self.column}_cos"
            case "equals":
                return (f"{self.column}_is_{self.equals}",)
            case "one_of":
                return tuple(f"{self.column}_is_{value}" for value in self.one_of or ())
            case "change" | "lag":
                return (f"{self.column}_{self.form}_{format_duration(self.history)}",)
            case "missing" | "age":
                return (f"{self.column}_{self.form}",)
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the dataset that it reads."""
        return (self.column,)

    @property
    def history(self) -> timedelta:
        """How far back it looks."""
        return self.change or self.lag or timedelta(0)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if len(given := [form for form in _FORMS if getattr(self, form) is not None]) > 1:
            raise ValueError(f"{self.column}: only one of {', '.join(_FORMS)} can be given; got {given}")
        if len(self.one_of or ()) != len(set(self.one_of or ())):
            raise ValueError(f"{self.column}: a value of one_of is given twice; got {list(self.one_of or ())}")
        return self


class CategoryFeature(Section):
    """A column of names (shops, products), whose encoding is fitted from the training rows of each fit.

    The feature itself is a number that stands for the name (`almanac.features.categories`); what the estimator sees in
    its place is looked up in a table that is fitted, and is part of the graph.
    """

    column: str = Field(description="Of type string or integer; of the dataset, or `join.column`.")
    encode: Literal["one_hot", "ordinal", "target", "frequency"] = Field(
        description="one_hot: a 1 among 0s; ordinal: its place among the declared values, else by frequency; target:"
        " the mean label of its training rows, without the rows near its own; frequency: its share of the rows."
    )
    unknown: Literal["other", "missing"] = Field(
        "other",
        description="What a name without training rows of its own is: other: one of all that are rare; missing: no"
        " value.",
    )
    min_rows: Annotated[int, Field(ge=1)] = Field(
        10, description="A name with fewer training rows is rare: it has no value of its own."
    )
    most: Annotated[int, Field(ge=1, le=MOST_CATEGORIES)] = Field(
        255, description="How many names have a value of their own at most, the most frequent ones."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the feature's column."""
        return (f"{self.column}_{self.encode}",)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the dataset that it reads."""
        return (self.column,)

    @property
    def history(self) -> timedelta:
        """None: a mapping does not change with the rows before."""
        return timedelta(0)


class TextFeature(Section):
    """The words of a text, or its runs of characters, counted in a fixed number of columns (the hashing trick).

    Weinberger et al. (2009), "Feature Hashing for Large Scale Multitask Learning". Nothing is fitted.
    """

    text: str = Field(description="The column, of type string; of the dataset, or `join.column`.")
    hash: Annotated[int, Field(ge=16, le=MOST_HASHED)] = Field(
        1024, description="The number of columns; words that fall on one are counted together."
    )
    ngrams: tuple[Annotated[int, Field(ge=1, le=6)], Annotated[int, Field(ge=1, le=6)]] = Field(
        (1, 1), description="From how many neighbouring words (or characters) to how many are one gram."
    )
    by: Literal["word", "char"] = Field("word", description="What a gram is made of.")

    @property
    def column(self) -> str:
        """The column that it reads."""
        return self.text

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the feature's columns."""
        return tuple(f"{self.text}_{self.by}_{place}" for place in range(self.hash))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the dataset that it reads."""
        return (self.text,)

    @property
    def history(self) -> timedelta:
        """None."""
        return timedelta(0)

    @field_validator("ngrams")
    @classmethod
    def _in_order(cls, sizes: tuple[int, int]) -> tuple[int, int]:
        if sizes[0] > sizes[1]:
            raise ValueError(f"the shortest gram is longer than the longest; got {list(sizes)}")
        return sizes


class RollingFeature(Section):
    """A figure of the known values in `(t - over, t]`, the row's own among them."""

    column: str = Field(description="Whose values are summed up.")
    over: Duration = Field(description="How far the window reaches back from the row, which is in it.")
    take: Literal["mean", "min", "max", "sum", "std", "count"] = Field(
        description="The figure of the window's known values."
    )
    per: tuple[str, ...] = Field((), description="Only rows with the same values here; unset: of the same key.")

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the feature's column."""
        per = f"_per_{'_'.join(self.per)}" if self.per else ""
        return (f"{self.column}_{self.take}_{format_duration(self.over)}{per}",)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the dataset that it reads."""
        return (self.column, *self.per)

    @property
    def history(self) -> timedelta:
        """How far back it looks."""
        return self.over


class TimeFeature(Section):
    """The row's place on the circle of the day, the week or the year (sine and cosine), or whether it is weekend."""

    time: Literal["hour_of_day", "day_of_week", "day_of_year", "weekend"] = Field(
        description="A place on the circle of the day, the week or the year; or whether it is Saturday or Sunday."
    )
    timezone: str = Field("UTC", description="Time zone of clock and calendar.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the feature's columns."""
        return (self.time,) if self.time == "weekend" else (f"{self.time}_sin", f"{self.time}_cos")

    @property
    def columns(self) -> tuple[str, ...]:
        """None but the row's time."""
        return ()

    @property
    def history(self) -> timedelta:
        """None."""
        return timedelta(0)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return check_timezone(name)


def _kind_of(declared: object) -> str:
    """Which class a declaration is meant for, so that its errors are not those of all."""
    if isinstance(declared, Section):
        return next(kind for kind, made in _KINDS.items() if isinstance(declared, made))
    keys = declared.keys() if isinstance(declared, dict) else ()
    return next((kind for key, kind in _KEYS.items() if key in keys), "column")


_KINDS: dict[str, type[Section]] = {
    "time": TimeFeature,
    "window": RollingFeature,
    "category": CategoryFeature,
    "text": TextFeature,
    "own": OwnFeatures,
    "column": ColumnFeature,
}
_KEYS = {"time": "time", "over": "window", "take": "window", "encode": "category", "text": "text", "own": "own"}
"""A key that only declarations of one kind have -> the kind."""


Feature = Annotated[
    Annotated[ColumnFeature, Tag("column")]
    | Annotated[RollingFeature, Tag("window")]
    | Annotated[CategoryFeature, Tag("category")]
    | Annotated[TextFeature, Tag("text")]
    | Annotated[OwnFeatures, Tag("own")]
    | Annotated[TimeFeature, Tag("time")],
    Discriminator(_kind_of),
]


def names_of(features: Iterable[Feature]) -> tuple[str, ...]:
    """The names of the columns that features make, in their order."""
    return tuple(name for feature in features for name in feature.names)


_NUMBER = (None, "change", "lag", "cycle", "missing", "over")
_FITS: dict[str, tuple[str | None, ...]] = {
    "string": ("equals", "one_of", "missing", "encode", "text"),
    "timestamp": ("age", "missing"),
    "float": _NUMBER,
    "integer": (*_NUMBER, "encode"),
}
"""The forms that a column of each type can have."""


def _form_of(feature: ColumnFeature | RollingFeature | CategoryFeature | TextFeature) -> str | None:
    if isinstance(feature, ColumnFeature):
        return feature.form
    if isinstance(feature, RollingFeature):
        return "over"
    return "encode" if isinstance(feature, CategoryFeature) else "text"


def check_features(features: Sequence[Feature], columns: Mapping[str, Column]) -> None:
    """Refuse a feature that its column's type cannot give, and two of one name.

    Raises:
        ValueError: there is one.
    """
    if doubled := sorted(name for name, count in Counter(names_of(features)).items() if count > 1):
        raise ValueError(f"features: two have the same name; got {doubled}")
    if (count := len(names_of(features))) > MOST_COLUMNS:
        raise ValueError(f"features: got {count} columns, expected at most {MOST_COLUMNS}; give texts a smaller hash")
    for feature in features:
        if unknown := [name for name in feature.columns if name not in columns]:
            raise ValueError(f"features must name declared columns; got {unknown}, declared {list(columns)}")
        if isinstance(feature, TimeFeature | OwnFeatures):
            continue
        kind, form = columns[feature.column].type, _form_of(feature)
        fits = _FITS[kind]
        if form not in fits:
            raise ValueError(
                f"features: {feature.column} is a {kind}; got {form or 'the column as it stands'}, expected one of "
                f"{[each or 'as it stands' for each in fits]}"
            )
        known = columns[feature.column].values
        wanted = {getattr(feature, "equals", None), *(getattr(feature, "one_of", None) or ())} - {None}
        if known is not None and (never := sorted(wanted - set(known))):
            raise ValueError(f"features: {feature.column} has no values {never}; its values are {list(known)}")
