"""Features that a team computes itself, by the function `features` of `<name>.py` beside the model's YAML."""

from collections import Counter
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration


class OwnFeatures(Section):
    """Columns that the team's function makes: one number for each row, of that row and of rows before it."""

    own: tuple[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], ...] = Field(
        min_length=1, max_length=1000, description="The names of the columns that the function returns."
    )
    columns: tuple[str, ...] = Field(
        min_length=1, description="The columns that it gets, beside time and key; of the dataset, or `join.column`."
    )
    history: Duration = Field(
        timedelta(0), description="How far back it looks; unset: a row's features depend on that row alone."
    )
    sha256: str = Field("", description="Of the file; Almanac fills it in, a YAML file must not.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the feature's columns."""
        return self.own

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if twice := sorted(name for name, count in Counter(self.own).items() if count > 1):
            raise ValueError(f"own: a name is given twice; got {twice}")
        return self
