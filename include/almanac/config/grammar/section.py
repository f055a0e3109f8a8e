"""What every section of a model's YAML has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """It does not change, and it knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
