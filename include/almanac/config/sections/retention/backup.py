"""When backups are taken, how long they stay and how they are proven.

`backup` of a model's YAML says it of one model; `_installation.yaml` beside it of everything that all models share.
"""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Duration
from almanac.config.sections.retention.tiers import Tiers

Count = Annotated[int, Field(ge=1)]


class Keep(Section):
    """Which snapshots of a subject stay: those that any rule keeps. Ages count from the newest snapshot."""

    last: Count | None = Field(None, description="The newest N snapshots.")
    within: Duration | None = Field(None, description="All snapshots younger than this.")
    hourly: Count | None = Field(None, description="The newest snapshot of each of the last N hours that have one.")
    daily: Count | None = Field(None, description="The newest snapshot of each of so many days.")
    weekly: Count | None = Field(None, description="Of so many weeks.")
    monthly: Count | None = Field(None, description="Of so many months.")
    yearly: Count | None = Field(None, description="Of so many years.")
    min_keep: Count = Field(2, description="Never fewer than N, regardless of the other rules.")

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        rules = (self.last, self.within, self.hourly, self.daily, self.weekly, self.monthly, self.yearly)
        if all(rule is None for rule in rules):
            raise ValueError("an empty policy keeps nothing; give at least one of last, within, hourly ... yearly")
        return self


class KeepOfModel(Section):
    """How long the snapshots of a model's subjects stay."""

    model: Keep = Keep(last=10, monthly=12)
    dataset: Keep = Keep(within=timedelta(days=2), daily=14, weekly=8, monthly=24)
    outputs: Keep = Keep(within=timedelta(days=2), daily=14, weekly=8)


class Backup(Section):
    """Snapshots of one model."""

    model_schedule: Cron = Field("15 4 * * *", description="The daily backup, besides one at every promotion.")
    data_schedule: Cron = Field(
        "30 1 * * *", description="Dataset and outputs, besides backups after publications and scorings."
    )
    after_publication: bool = Field(True, description="Whether publications and scorings trigger a backup, too.")
    at_most_every: Duration = Field(timedelta(hours=1), description="They trigger at most one in this time.")
    landing: bool = Field(False, description="Whether snapshots of the outputs include landed files.")
    keep: KeepOfModel = KeepOfModel()


class KeepOfSecond(Section):
    """Policies of the secondary repository, where they differ from those of the primary."""

    model: Keep | None = None
    dataset: Keep | None = None
    outputs: Keep | None = None
    database: Keep | None = None
    group: Keep | None = None


class Retention(Section):
    """How snapshots go."""

    schedule: Cron = Field("0 6 * * *", description="When snapshots that no rule keeps are forgotten.")
    database: Keep = Keep(daily=14, weekly=8, monthly=12)
    group: Keep = Keep(daily=7, weekly=4)
    second: KeepOfSecond = Field(KeepOfSecond(), description="Unset values are those of the primary repository.")
    grace: Annotated[Duration, Field(ge=timedelta(hours=1))] = Field(
        timedelta(days=7), description="How long a forgotten snapshot can be recovered."
    )
    max_deleted_share: Share = Field(
        0.3, description="A sweep that would delete a larger share of the repository needs a person's approval."
    )


class Drills(Section):
    """How snapshots are proven."""

    schedule: Cron = Field("0 5 * * 0", description="When snapshots are restored to a scratch folder and used.")
    max_age: Duration = Field(
        timedelta(days=8), description="Maximum age of the last good drill before an alert is sent."
    )
    verify_days: Count = Field(7, description="Each object is verified once in so many days.")
    disaster_every: Duration | None = Field(
        timedelta(days=27),
        description="Interval of the disaster drill, which the restore drill then includes; null: never.",
    )
    disaster_timeout: Duration = Field(timedelta(hours=1), description="Of each of its ingest, training and scoring.")


class InstallationBackup(Section):
    """Backups of everything that models share."""

    databases_schedule: Cron = Field(
        "0 1 * * *", description="When databases, and everything as one group, are backed up."
    )
    encrypt: bool = Field(False, description="Whether new objects are encrypted; without the key they are lost.")
    compress: bool = Field(True, description="Whether new objects are compressed where that saves space.")
    max_age: Duration = Field(
        timedelta(days=2), description="Maximum age of the newest snapshot of everything before an alert is sent."
    )
    workers: Annotated[int, Field(ge=1, le=32)] = Field(2, description="Threads that read, hash and write.")
    retention: Retention = Retention()
    tiers: Tiers = Tiers()
    drills: Drills = Drills()
