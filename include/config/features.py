"""The section `features` of a model's YAML: what a model sees of a row."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from include.config.section import Section
from include.config.types import Duration


class ColumnFeature(Section):
    """A column as it stands, or its change over `change`, or its place on a circle of size `cycle`."""

    column: str
    change: Duration | None = None
    cycle: Annotated[float, Field(gt=0)] | None = None
    equals: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum(form is not None for form in (self.change, self.cycle, self.equals)) > 1:
            raise ValueError(f"{self.column}: only one of change, cycle and equals can be given")
        return self


class TimeFeature(Section):
    """The place of the row on the circle of the day or of the year (sine and cosine)."""

    time: Literal["hour_of_day", "day_of_year"]


Feature = ColumnFeature | TimeFeature
