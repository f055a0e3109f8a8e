"""The section `dataset` of a model's YAML: its columns, and every check that a batch must pass."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, AwareDatetime, Field, field_validator, model_validator

from almanac.config.grammar.arrival_columns import ADDED, ARRIVAL, ARRIVAL_ROW, with_arrival
from almanac.config.grammar.column_names import PREDICTION_NAMES, problem_of_name
from almanac.config.grammar.expression import check_expression
from almanac.config.grammar.regular_expression import check_regex
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.time_format import ISO, PIVOT_YEAR, TimeFormat, parse_time_format
from almanac.config.grammar.types import Duration, Slug, check_timezone

Action = Literal["reject", "quarantine", "warn"]

ROW_RULES = (
    "type",
    "null",
    "range",
    "values",
    "regex",
    "future",
    "past",
    "late",
    "order",
    "that",
    "unique",
    "conflict",
    "conflict_with_dataset",
    "record",
)
DEFAULT_ACTIONS: dict[str, Action] = {
    **dict.fromkeys(ROW_RULES, "quarantine"),
    # what no change of the world explains stops a batch; what one may explain is reported
    **dict.fromkeys(("null_share", "unit", "stuck", "offset"), "reject"),
    **dict.fromkeys(
        ("shift", "flat", "rhythm", "change_point", "categories", "volume", "gaps", "dense", "stale", "constant"),
        "warn",
    ),
}


class Normalise(Section):
    """How texts are made equal before they are compared with `values`; in this order."""

    trim: bool = Field(True, description="Remove spaces around the text.")
    case: Literal["keep", "lower", "upper"] = Field("keep", description="Compare in small or capital letters.")
    map: dict[str, str] = Field({}, description="Other spelling -> the intended value.")


class Column(Section):
    """One column of the dataset and the rules that each of its values must keep."""

    type: Literal["timestamp", "float", "integer", "string"] = Field(description="What each value is.")
    description: str = Field("", description="What it means, for people.")
    unit: str = Field("", description="Its unit; ingest tells when a file comes in another one.")
    nullable: bool = Field(False, description="Whether a value may be empty.")
    optional: bool = Field(False, description="Files may lack the column; its cells are then empty.")
    min: float | None = Field(None, description="The smallest value that is no error.")
    max: float | None = Field(None, description="The largest value that is no error.")
    values: tuple[str, ...] | None = Field(None, description="The only values allowed.")
    regex: str | None = Field(None, description="A pattern that the whole text must match.")
    normalise: Normalise | None = None
    timezone: str | None = Field(
        None, description="Time zone of times without an offset; unset: an offset is required."
    )
    format: str = Field(ISO, description="How times are written: iso, epoch s, elapsed h, excel, or such as %d/%m/%Y.")
    origin: AwareDatetime | None = Field(None, description="With format `elapsed`: the time that is counted from.")
    pivot_year: Annotated[int, Field(ge=0, le=100)] = Field(
        PIVOT_YEAR, description="Of %y: two-digit years below it are of this century, the others of the last."
    )
    decimal: Literal[".", ","] | None = Field(None, description="The decimal sign; unset: that of source.format.")
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(None, description="The sign between groups of digits.")
    nulls: tuple[str, ...] = Field((), description="Texts that mean an empty cell in this column, e.g. -999.")
    from_: tuple[str, ...] = Field(
        (),
        validation_alias=AliasChoices("from", "from_"),
        serialization_alias="from",
        description="The file's column of this one, where its name is another; of times several, which form one text.",
    )

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, name: str | None) -> str | None:
        return name if name is None else check_timezone(name)

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, text: str) -> str:
        parse_time_format(text)
        return text

    @field_validator("from_", mode="before")
    @classmethod
    def _one_name_or_several(cls, names: object) -> object:
        return (names,) if isinstance(names, str) else names

    @property
    def time_format(self) -> TimeFormat:
        """How its times are written."""
        return parse_time_format(self.format)

    @model_validator(mode="after")
    def _format_fits(self) -> Self:
        if self.type != "timestamp":
            if (self.format, self.origin, self.pivot_year) != (ISO, None, PIVOT_YEAR):
                raise ValueError(f"format, origin and pivot_year: only type timestamp has them; got type {self.type}")
            return self
        form = self.time_format
        if (form.kind == "elapsed") != (self.origin is not None):
            raise ValueError(
                f"origin belongs to format 'elapsed ...' and to no other; got format {self.format!r}, origin"
                f" {self.origin}"
            )
        if form.kind != "iso" and not form.has_offset and self.timezone is None:
            raise ValueError(f"format {self.format!r} needs timezone: whose clock do the times show? e.g. UTC")
        if form.has_offset and self.timezone is not None:
            raise ValueError(f"timezone: format {self.format!r} says the offset itself; leave timezone out")
        return self

    @model_validator(mode="after")
    def _numbers_are_written_in_one_way(self) -> Self:
        if self.type not in ("float", "integer") and (self.decimal is not None or self.thousands is not None):
            raise ValueError(f"decimal and thousands need type float or integer; got type {self.type}")
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise ValueError(
                f"thousands: the same sign as the decimal one; got {self.thousands!r}. Declare decimal: ',' beside it"
            )
        return self

    @model_validator(mode="after")
    def _sources_form_one_text(self) -> Self:
        if len(self.from_) > 1:
            parts = self.format.split()
            if self.type != "timestamp" or len(parts) != len(self.from_):
                raise ValueError(
                    f"from: several columns form one time, with a part of format for each; got {list(self.from_)} with"
                    f" type {self.type} and format {self.format!r}; expected such as from: [year, month, day, hour],"
                    " format: '%Y %m %d %H'"
                )
        if len(set(self.from_)) != len(self.from_) or not all(self.from_):
            raise ValueError(f"from: names of columns of the file, each once; got {list(self.from_)}")
        return self

    @field_validator("regex")
    @classmethod
    def _regex_can_be_run(cls, pattern: str | None) -> str | None:
        return pattern if pattern is None else check_regex(pattern)

    @model_validator(mode="after")
    def _optional_can_be_empty(self) -> Self:
        if self.optional and not self.nullable:
            raise ValueError("optional needs nullable: true: where a file lacks the column, its cells are empty")
        return self

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Self:
        ranged = self.min is not None or self.max is not None
        if ranged and self.type not in ("float", "integer"):
            raise ValueError(f"min and max need type float or integer; got type {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min above max; got min {self.min}, max {self.max}")
        if self.timezone is not None and self.type != "timestamp":
            raise ValueError(f"timezone needs type timestamp; got type {self.type}")
        for name in ("values", "regex", "normalise"):
            if getattr(self, name) is not None and self.type != "string":
                raise ValueError(f"{name} needs type string; got type {self.type}")
        return self


class Skew(Section):
    """When the values of a whole batch count as skewed against the dataset's own recent history.

    Each check's action is in `dataset.actions`. Batches, and histories, of fewer rows than `min_rows` are too small to
    be judged so.
    """

    min_rows: Annotated[int, Field(ge=20)] = Field(
        description="Batches with fewer rows are not compared with the dataset."
    )
    history: Duration = Field(
        description="The reference: this much before the batch, of which its calendar months are compared."
    )
    null_share: Share = Field(description="The share of empty cells rose by more than this.")
    shift: Annotated[float, Field(gt=0)] = Field(description="The median moved by more reference deviations.")
    stuck: Share = Field(description="One number makes up more than this share, unlike before.")
    rhythm: Duration = Field(description="The daily rhythm moved by more than this.")
    change_point: Annotated[float, Field(gt=0)] = Field(
        description="A jump of the level inside the batch, in deviations."
    )
    categories: Share = Field(description="Total variation distance of the shares.")
    volume: Annotated[float, Field(gt=1)] = Field(description="More, or fewer, rows than usual by this factor.")
    gaps: Share = Field(description="More than this share of the steps between first and last row is missing.")
    flat: Annotated[float, Field(gt=1)] | None = Field(
        None, description="One number is constant for longer than ever before, by this factor."
    )
    dense: Annotated[float, Field(gt=1)] | None = Field(None, description="More rows than steps by this factor.")
    max_age: Duration | None = Field(None, description="The newest row is older than this: stale.")


class Dataset(Section):
    """The validated table."""

    of: Slug | None = Field(
        None, description="The model whose dataset it is, where several share one; then no other key stands beside it."
    )
    time: str = Field(
        description="The column of event time; its values carry an offset and are kept in UTC. `arrival`: the rows have"
        " no time, and the arrival of their delivery stands for it."
    )
    step: Duration = Field(description="The distance of neighbouring rows when none is missing.")
    key: tuple[str, ...] = Field(
        min_length=1,
        description="The columns that identify a row. With `time: arrival` a key that comes again is a newer state of"
        " its row; without a key all rows are appended.",
    )
    group: tuple[str, ...] = Field(
        (), description="With `time: arrival`: rows equal in these columns never stand on both sides of a split."
    )
    columns: dict[str, Column] = Field(min_length=1, description="The columns, by name.")
    ignored_columns: tuple[str, ...] = Field((), description="Columns that files may have and that are ignored.")
    on_unexpected_column: Literal["drop", "reject"] = Field(description="drop: leave it out and warn.")
    max_bad_share: Share = Field(description="Above this share of bad rows the whole batch is rejected.")
    corrections: Literal["quarantine", "replace"] = Field(
        "quarantine",
        description="What happens to different values for a published key: quarantine, or replace the row.",
    )
    revision: str | None = Field(
        None, description="With `replace`: a column that grows with each correction; an older state is dropped."
    )
    rules: dict[Slug, str] = Field({}, description="Conditions that hold in every row, by name.")
    unique: tuple[tuple[str, ...], ...] = Field((), description="Columns that, beside the key, never repeat.")
    earliest: AwareDatetime | None = Field(None, description="An event time before this is an error.")
    future_tolerance: Duration = Field(timedelta(), description="Tolerance for fast clocks.")
    late_after: Duration | None = Field(None, description="A row this much older than the newest published is late.")
    order: Literal["any", "increasing"] = Field(
        "any", description="increasing: no row of a file is older than the row before."
    )
    skew: Skew | None = Field(None, description="Checks of a batch as a whole.")
    actions: dict[str, Action] = Field({}, description="`Column.rule` or `*.rule` -> what happens when it is broken.")
    origin: str = Field(description="Who made the data, and how.")
    licence: str = Field(description="Licence or restriction of the data.")

    def action(self, name: str) -> Action:
        """What happens when the rule of this name (`Column.rule`) is broken."""
        kind = name.rsplit(".", 1)[-1]
        return self.actions.get(name) or self.actions.get(f"*.{kind}") or DEFAULT_ACTIONS[kind]

    @property
    def is_arrival(self) -> bool:
        """Whether its rows have no time of their own, so that the arrival of their delivery stands for it."""
        return self.time == ARRIVAL

    @property
    def has_key(self) -> bool:
        """Whether a row can come again; else each row is appended."""
        return self.key != (ARRIVAL_ROW,)

    @property
    def delivered(self) -> Mapping[str, Column]:
        """The columns that a file has; the others are added to it."""
        added = ADDED if self.is_arrival else ()
        return {name: column for name, column in self.columns.items() if name not in added}

    def in_file(self) -> "Dataset":
        """The same with the columns that a file has: under their names there, and the parts of times as texts.

        Readers of files ask for it; what they read is bound to the declared columns afterwards.
        """
        declared = self.delivered.items()
        part = Column(type="string", nullable=True)
        parts = {source: part for _, column in declared if len(column.from_) > 1 for source in column.from_}
        whole = {(column.from_ or (name,))[0]: column for name, column in declared if len(column.from_) <= 1}
        time = (self.columns[self.time].from_ or (self.time,))[0]  # no column of a file without a time
        return self.model_copy(update={"columns": parts | whole, "time": time})

    def found_in(self, names: Collection[str]) -> "Dataset":
        """The same without the optional columns that a file of these columns lacks."""
        found = {name: column for name, column in self.columns.items() if name in names or not column.optional}
        return self if len(found) == len(self.columns) else self.model_copy(update={"columns": found})

    @model_validator(mode="before")
    @classmethod
    def _arrival_is_added(cls, declared: object) -> object:
        return with_arrival(declared) if isinstance(declared, Mapping) else declared

    @field_validator("earliest", mode="before")
    @classmethod
    def _day_is_utc(cls, value: object) -> object:
        return f"{value}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)) else value

    @model_validator(mode="after")
    def _names_can_be_used(self) -> Self:
        folded: dict[str, str] = {}
        for name in self.columns:
            if problem := problem_of_name(name):
                raise ValueError(f"columns: {name[:40]!r} {problem}. Rename the column in the source")
            if other := folded.get(name.casefold()):
                raise ValueError(f"columns: {other!r} and {name!r} differ only in case, which a Delta table does not")
            folded[name.casefold()] = name
        taken = sorted(PREDICTION_NAMES.intersection(self.key) - {self.time})
        if taken:
            raise ValueError(f"key: {taken} are columns of the predictions, which hold the key too; rename them")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        named = (self.time, *self.key, *self.group, *(name for names in self.unique for name in names))
        unknown = [name for name in named if name not in self.columns]
        if unknown:
            raise ValueError(
                f"time, key, group and unique must name declared columns; got {unknown}, declared {list(self.columns)}"
            )
        if empty := [name for name in self.group if self.columns[name].nullable]:
            raise ValueError(f"group: must never be empty, or whose row is it? Got {empty}, expected nullable: false")
        if self.columns[self.time].type != "timestamp":
            raise ValueError(f"time must be of type timestamp; {self.time} is {self.columns[self.time].type}")
        return self

    @model_validator(mode="after")
    def _revision_grows(self) -> Self:
        if self.revision is None:
            return self
        column = self.columns.get(self.revision)
        usable = column is not None and column.type != "string" and not column.nullable
        if self.corrections != "replace" or self.revision in self.key or not usable:
            raise ValueError(
                "revision needs corrections: replace, and a column outside the key, never empty, of numbers or"
                f" times; got {self.revision!r} with corrections {self.corrections}"
            )
        return self

    @model_validator(mode="after")
    def _rules_can_be_run(self) -> Self:
        types = {name: column.type for name, column in self.columns.items()}
        for name, text in self.rules.items():
            check_expression(text, types, where=f"rules.{name}")
        for name in self.actions:
            kind = name.rsplit(".", 1)[-1]
            if kind not in DEFAULT_ACTIONS or "." not in name:
                raise ValueError(
                    f"actions: no such rule; got {name!r}, expected 'Column.rule' or '*.rule' with one of"
                    f" {sorted(DEFAULT_ACTIONS)}"
                )
        return self
