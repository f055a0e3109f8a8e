"""The section `joins` of a model's YAML: columns of another model's dataset, as they were known at each row's time."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration, Slug
from almanac.config.sections.dataset import Column
from almanac.display import did_you_mean

if TYPE_CHECKING:
    from almanac.config.schema import Model


class Join(Section):
    """Of the rows of another dataset that were known at a row's time, the newest one.

    Its columns are `<name of the join>.<column>`. What the other dataset's own declaration says of them is repeated
    here, so that a version can be understood, and rebuilt, when that declaration has changed; the two are held
    together.
    """

    model: Slug = Field(description="Whose dataset.")
    time: str = Field(description="Its column of event time.")
    columns: dict[str, Literal["float", "integer", "string"]] = Field(
        min_length=1, description="Columns to take from it, each with its type."
    )
    on: dict[str, str] = Field({}, description="Own column -> column of the other model that must be equal.")
    tolerance: Duration = Field(description="An older row is not used: its columns are null.")
    known_after: Annotated[Duration, Field(ge=timedelta(0))] = Field(
        timedelta(0), description="How long after its event time a row is known."
    )

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if self.tolerance < self.known_after:
            raise ValueError(
                f"a row is known {self.known_after} after its time, and older ones than {self.tolerance} (tolerance)"
                " are not used, so no row would ever match. Increase tolerance"
            )
        return self


def joined_columns(joins: Mapping[str, Join]) -> dict[str, Column]:
    """The columns that joins add, by name."""
    return {
        f"{name}.{column}": Column(type=kind, nullable=True, description=f"{column} of {join.model}")
        for name, join in joins.items()
        for column, kind in join.columns.items()
    }


def check_joins(joins: Mapping[str, Join], columns: Mapping[str, Column], name: str) -> None:
    """Refuse a join of a dataset with itself, and one on what there is not.

    Args:
        joins: by name.
        columns: of the dataset.
        name: the model whose dataset it is.

    Raises:
        ValueError: there is one.
    """
    for place, join in joins.items():
        if join.model == name:
            raise ValueError(
                f"joins.{place}: the dataset of {name} cannot be joined to itself; lags and rolling features look back"
            )
        if unknown := sorted(set(join.on) - set(columns)):
            raise ValueError(f"joins.{place}.on must name declared columns; got {unknown}, declared {list(columns)}")


def join_problems(model: "Model", models: Mapping[str, "Model"], declared: Collection[str]) -> Iterator[str]:
    """What a model's joins say of other models that those do not say themselves.

    Args:
        model: which one.
        models: those whose YAML could be read, by name.
        declared: the names of all YAML files; a broken one affects no other model.
    """
    for name, join in model.joins.items():
        where = f"joins.{name}"
        if join.model not in declared:
            yield (
                f"{where}.model: no model {join.model!r}; declared are {sorted(declared)}"
                f"{did_you_mean(join.model, declared)}."
            )
        elif join.model in models and not models[join.model].is_owner:
            owner = models[join.model].dataset_owner
            yield f"{where}.model: {join.model} has no dataset of its own; expected {owner!r}, whose dataset it shares."
        elif join.model in models:
            yield from (f"{where}{problem}" for problem in _problems(model, join, models[join.model]))


def _problems(model: "Model", join: Join, other: "Model") -> Iterator[str]:
    theirs = other.dataset.columns
    if join.time != other.dataset.time:
        yield f".time: the time of {other.name} is {other.dataset.time!r}; got {join.time!r}."
    types = {name: theirs[name].type if name in theirs else None for name in join.columns}
    if wrong := {name: kind for name, kind in types.items() if kind != join.columns[name]}:
        yield f".columns: {other.name} declares {wrong}; got { ({name: join.columns[name] for name in wrong}) }."
    for ours, column in join.on.items():
        kind = theirs[column].type if column in theirs else None
        if kind != model.dataset.columns[ours].type:
            ours_is = model.dataset.columns[ours].type
            yield f".on: {ours} is a {ours_is}, {column} of {other.name} {kind or 'is not there'}."
    keys = set(other.dataset.key) - {other.dataset.time}
    if missing := sorted(keys - set(join.on.values())):
        yield f".on: {other.name} has several rows at one time, told apart by {missing}; say which one is wanted."
