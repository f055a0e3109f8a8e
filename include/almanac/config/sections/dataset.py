"""The section `dataset` of a model's YAML: its columns, and every check that a batch must pass."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from almanac.config.grammar.column_names import PREDICTION_NAMES, fault_of_name
from almanac.config.grammar.expression import check_expression
from almanac.config.grammar.regular_expression import check_regex
from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Duration, Slug, check_timezone

Action = Literal["reject", "quarantine", "warn"]

ROW_RULES = (
    "type", "null", "range", "values", "regex", "future", "past", "late", "order", "that", "unique", "conflict",
    "conflict_with_dataset", "record",
)  # fmt: skip
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

    trim: bool = True
    case: Literal["keep", "lower", "upper"] = "keep"
    map: dict[str, str] = Field({}, description="Other spelling -> the value that is meant.")


class Column(Section):
    """One column of the dataset and the rules that each of its values must keep."""

    type: Literal["timestamp", "float", "integer", "string"]
    description: str = ""
    unit: str = ""
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = Field(None, description="The only values allowed.")
    regex: str | None = Field(None, description="What the whole text must match.")
    normalise: Normalise | None = None
    timezone: str | None = Field(None, description="Whose clock a time without an offset is by; unset: it needs one.")

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, name: str | None) -> str | None:
        return name if name is None else check_timezone(name)

    @field_validator("regex")
    @classmethod
    def _regex_can_be_run(cls, pattern: str | None) -> str | None:
        return pattern if pattern is None else check_regex(pattern)

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

    min_rows: Annotated[int, Field(ge=20)]
    history: Duration = Field(description="The reference: so much before the batch, and its calendar month in it.")
    null_share: Share = Field(description="The share of empty cells rose by more than this.")
    shift: Annotated[float, Field(gt=0)] = Field(description="The median moved by more reference deviations.")
    stuck: Share = Field(description="One number makes up more than this share, and seldom did before.")
    rhythm: Duration = Field(description="The daily rhythm moved by more than this.")
    change_point: Annotated[float, Field(gt=0)] = Field(description="The level jumps inside, in deviations.")
    categories: Share = Field(description="Total variation distance of the shares.")
    volume: Annotated[float, Field(gt=1)] = Field(description="More, or fewer, rows than usual by this factor.")
    gaps: Share = Field(description="More than this share of the steps between first and last row is missing.")
    flat: Annotated[float, Field(gt=1)] | None = Field(
        None, description="One number stands longer than it ever did, by this factor."
    )
    dense: Annotated[float, Field(gt=1)] | None = Field(None, description="More rows than steps by this factor.")
    max_age: Duration | None = Field(None, description="The newest row is older than this: stale.")


class Dataset(Section):
    """The validated table."""

    time: str = Field(description="The column of event time; its values carry an offset and are kept in UTC.")
    step: Duration = Field(description="The distance of neighbouring rows when none is missing.")
    key: tuple[str, ...] = Field(min_length=1, description="The columns that identify a row.")
    columns: dict[str, Column] = Field(min_length=1)
    ignored_columns: tuple[str, ...] = Field((), description="Columns that files may have and nobody needs.")
    on_unexpected_column: Literal["drop", "reject"] = Field(description="drop: leave it out and warn.")
    max_bad_share: Share = Field(description="With a larger share of bad rows the whole batch is rejected.")
    corrections: Literal["quarantine", "replace"] = Field(
        "quarantine", description="What other values for a published key do: wait in quarantine, or replace the row."
    )
    revision: str | None = Field(
        None, description="With `replace`: a column that grows with each correction; an older state is dropped."
    )
    rules: dict[Slug, str] = Field({}, description="Conditions that hold in every row, by name.")
    unique: tuple[tuple[str, ...], ...] = Field((), description="Columns that, beside the key, never repeat.")
    earliest: AwareDatetime | None = Field(None, description="An event time before this is a fault.")
    future_tolerance: Duration = Field(timedelta(), description="Clocks may be fast by so much.")
    late_after: Duration | None = Field(None, description="A row this much older than the newest published is late.")
    order: Literal["any", "increasing"] = Field("any", description="increasing: no row of a file steps back in time.")
    skew: Skew | None = Field(None, description="Checks of a batch as a whole; none: none.")
    actions: dict[str, Action] = Field({}, description="`Column.rule` or `*.rule` -> what happens when it is broken.")
    origin: str = Field(description="Who made the data, and how.")
    licence: str = Field(description="Licence or restriction of the data.")

    def action(self, name: str) -> Action:
        """What happens when the rule of this name (`Column.rule`) is broken."""
        kind = name.rsplit(".", 1)[-1]
        return self.actions.get(name) or self.actions.get(f"*.{kind}") or DEFAULT_ACTIONS[kind]

    @field_validator("earliest", mode="before")
    @classmethod
    def _day_is_utc(cls, value: object) -> object:
        return f"{value}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)) else value

    @model_validator(mode="after")
    def _names_can_be_used(self) -> Self:
        folded: dict[str, str] = {}
        for name in self.columns:
            if fault := fault_of_name(name):
                raise ValueError(f"columns: {name[:40]!r} {fault}. Rename the column in the source")
            if other := folded.get(name.casefold()):
                raise ValueError(f"columns: {other!r} and {name!r} differ only in case, which a Delta table does not")
            folded[name.casefold()] = name
        taken = sorted(PREDICTION_NAMES.intersection(self.key) - {self.time})
        if taken:
            raise ValueError(f"key: {taken} are columns of the predictions, which hold the key too; rename them")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        named = (self.time, *self.key, *(name for names in self.unique for name in names))
        unknown = [name for name in named if name not in self.columns]
        if unknown:
            raise ValueError(
                f"time, key and unique must name declared columns; got {unknown}, declared {list(self.columns)}"
            )
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
                f"revision needs corrections: replace, and a column outside the key, never empty, of numbers or times;"
                f" got {self.revision!r} with corrections {self.corrections}"
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
