"""How long what a model takes in and gives out is kept where it lies: `expire` of a model's YAML. Null: for ever."""

from datetime import timedelta
from typing import Annotated, get_args

from pydantic import Field

from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Duration

Age = Annotated[Duration, Field(ge=timedelta(days=1))]


class Expire(Section):
    """Only what is old enough, and needed by nothing, goes. Snapshots have rules of their own: `backup.keep`."""

    schedule: Cron = Field("30 3 * * *", description="When old outputs are deleted.")
    landing: Age | None = Field(None, description="Landed files whose rows are in the dataset or in quarantine.")
    quarantine_files: Age | None = Field(None, description="Rejected files.")
    quarantine_rows: Age | None = Field(None, description="Quarantined rows, batch by batch.")
    reports: Age | None = Field(None, description="Report pages, by when they were written.")
    predictions: Age | None = Field(None, description="Of champions; by day of creation.")
    shadow: Age | None = Field(None, description="Of versions in shadow.")
    checkpoints: Age | None = Field(timedelta(days=30), description="Of finished trainings.")
    unless_backed_up: bool = Field(True, description="What is in no snapshot stays, regardless of its age.")
    max_deleted_share: Share = Field(
        0.5, description="A run that would delete a larger share of a kind needs a person's approval."
    )

    @property
    def ages(self) -> dict[str, timedelta]:
        """The kinds that expire, and when."""
        found = {name: getattr(self, name) for name in EXPIRING}
        return {name: age for name, age in found.items() if age is not None}


EXPIRING = tuple(name for name, field in Expire.model_fields.items() if type(None) in get_args(field.annotation))
