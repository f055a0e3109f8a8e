"""`forecast.calendar`: columns that are known ahead, such as holidays and promotions."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Slug

CalendarFile = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\.csv$")]


class Calendar(Section):
    """A row for each step of the past and of the horizon; one for each grain, or for some of its columns, or for all.

    The columns of time and grain have the names of the dataset; all others are numbers.
    """

    file: CalendarFile | None = Field(None, description="A CSV file beside this one, with times as ISO 8601 in UTC.")
    model: Slug | None = Field(None, description="Instead of a file: the model whose dataset has such rows.")
    columns: tuple[str, ...] = Field((), description="Which of its columns; none: all numbers.")

    @model_validator(mode="before")
    @classmethod
    def _name_alone_is_a_file(cls, data: Any) -> Any:
        return {"file": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.file is None) == (self.model is None):
            raise ValueError(f"either file or model; got file {self.file!r}, model {self.model!r}")
        return self
