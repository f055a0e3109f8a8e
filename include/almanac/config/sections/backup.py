"""When backups are taken, how long they stay and how they are proven.

`backup` of a model's YAML says it of one model; `_installation.yaml` beside it of everything that all models share.
"""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.types import Cron, Duration
from almanac.config.sections.tiers import Tiers

Count = Annotated[int, Field(ge=1)]


class Keep(Section):
    """Which snapshots of a subject stay: those that any rule keeps. Ages count from the newest snapshot."""

    last: Count | None = Field(None, description="The newest so many.")
    within: Duration | None = Field(None, description="Everything younger than this.")
    hourly: Count | None = Field(None, description="The newest of each of so many hours that have any.")
    daily: Count | None = None
    weekly: Count | None = None
    monthly: Count | None = None
    yearly: Count | None = None
    min_keep: Count = Field(2, description="Never fewer than so many, whatever the rules say.")

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        rules = (self.last, self.within, self.hourly, self.daily, self.weekly, self.monthly, self.yearly)
        if all(rule is None for rule in rules):
            raise ValueError("an empty policy would keep nothing; give at least one of last, within, hourly ... yearly")
        return self


class KeepOfModel(Section):
    """How long the snapshots of a model's subjects stay."""

    model: Keep = Keep(last=10, monthly=12)
    dataset: Keep = Keep(within=timedelta(days=2), daily=14, weekly=8, monthly=24)
    outputs: Keep = Keep(within=timedelta(days=2), daily=14, weekly=8)


class Backup(Section):
    """Snapshots of one model."""

    model_schedule: Cron = Field("15 4 * * *", description="The daily sweep, beside every promotion.")
    data_schedule: Cron = Field("30 1 * * *", description="Dataset and outputs, beside publications and scorings.")
    after_publication: bool = Field(True, description="Whether publications and scorings wake a backup, too.")
    at_most_every: Duration = Field(timedelta(hours=1), description="They wake no more than one in this time.")
    landing: bool = Field(False, description="Whether landed files are in the snapshots of the outputs, too.")
    keep: KeepOfModel = KeepOfModel()


class KeepOfSecond(Section):
    """Policies of the second place, where they are others than those of the first."""

    model: Keep | None = None
    dataset: Keep | None = None
    outputs: Keep | None = None
    database: Keep | None = None
    group: Keep | None = None


class Retention(Section):
    """How snapshots go."""

    schedule: Cron = "0 6 * * *"
    database: Keep = Keep(daily=14, weekly=8, monthly=12)
    group: Keep = Keep(daily=7, weekly=4)
    second: KeepOfSecond = Field(KeepOfSecond(), description="What is not said is as in the first place.")
    grace: Annotated[Duration, Field(ge=timedelta(hours=1))] = Field(
        timedelta(days=7), description="So long after it was forgotten a snapshot can be had back."
    )
    max_deleted_share: Share = Field(0.3, description="A sweep that would delete more of the place asks a person.")


class Drills(Section):
    """How snapshots are proven."""

    schedule: Cron = "0 5 * * 0"
    max_age: Duration = Field(timedelta(days=8), description="An older last good drill is an alarm.")
    verify_days: Count = Field(7, description="Each object is read again once in so many days.")
    disaster_every: Duration | None = Field(
        timedelta(days=27),
        description="A drill that finds the last good disaster drill older than this plays it, too; null: none does.",
    )
    disaster_timeout: Duration = Field(timedelta(hours=1), description="Of its ingest, training and scoring, each.")


class InstallationBackup(Section):
    """Backups of everything that models share."""

    databases_schedule: Cron = "0 1 * * *"
    encrypt: bool = Field(False, description="Whether new objects are encrypted; without the key they are gone.")
    compress: bool = Field(True, description="Whether new objects are compressed where that gains something.")
    max_age: Duration = Field(timedelta(days=2), description="An older newest snapshot of everything is an alarm.")
    workers: Annotated[int, Field(ge=1, le=32)] = Field(2, description="Threads that read, hash and write.")
    retention: Retention = Retention()
    tiers: Tiers = Tiers()
    drills: Drills = Drills()
