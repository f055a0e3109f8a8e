"""Declared triggers of pipelines, besides the built-in ones. `docs/triggers.md` shows them in use."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from almanac.config.grammar.payload import PayloadField
from almanac.config.grammar.section import Section
from almanac.config.grammar.ticks import Schedule, check_day_time, next_tick, parse_day_time, parse_every
from almanac.config.grammar.types import Cron, Duration, Slug, format_duration

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"not a time zone; got {name!r}, expected a name such as 'Europe/Helsinki' or 'UTC'"
        ) from error
    return name


Zone = Annotated[str, AfterValidator(_checked_zone)]


class ScheduleTrigger(Section):
    """By the clock: cron expressions or a pace; several crons are one schedule."""

    kind: Literal["schedule"]
    cron: tuple[Cron, ...] = Field((), description="One expression or several.")
    every: str | None = Field(None, description="15m, 2h, 1d, 2w or 3mo; counted from `start`.")
    timezone: Zone = Field("UTC", description="Of cron, start, end and not_between; summer time is kept.")
    start: datetime | None = Field(None, description="Wall-clock time; no tick is before it.")
    end: datetime | None = Field(None, description="Wall-clock time; every tick is before it.")
    not_between: Annotated[str, AfterValidator(check_day_time)] | None = Field(
        None, description="Ticks in these hours are left out: '07:00-19:00'."
    )

    @field_validator("cron", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _midnight(cls, value: object) -> object:
        plain_date = isinstance(value, date) and not isinstance(value, datetime)
        return datetime.combine(value, time()) if plain_date else value  # type: ignore[arg-type] # it is a date

    @field_validator("start", "end")
    @classmethod
    def _wall_clock(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is not None:
            raise ValueError(
                f"a wall-clock time has no offset; got {value.isoformat()}, expected e.g. 2026-01-31 06:00"
            )
        return value

    @field_validator("every")
    @classmethod
    def _pace(cls, value: str | None) -> str | None:
        if value is not None:
            parse_every(value)
        return value

    @model_validator(mode="after")
    def _ticks(self) -> Self:
        if bool(self.cron) == (self.every is not None):
            raise ValueError(f"give either cron or every; got cron {list(self.cron)}, every {self.every!r}")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"start must be before end; got start {self.start}, end {self.end}")
        if next_tick(self.timing(), _LONG_AGO) is None:
            raise ValueError(f"never ticks; got {self.words()}, expected at least one tick that is left in")
        return self

    def timing(self) -> Schedule:
        """This schedule, ready to tick."""
        return Schedule(
            crons=self.cron,
            every=None if self.every is None else parse_every(self.every),
            zone=ZoneInfo(self.timezone),
            start=self.start,
            end=self.end,
            not_between=None if self.not_between is None else parse_day_time(self.not_between),
        )

    def words(self) -> str:
        """Say it as a person would."""
        pace = f"every {self.every}" if self.every else "by cron " + " and ".join(f"`{cron}`" for cron in self.cron)
        limits = [
            f"not between {self.not_between.replace('-', ' and ')}" if self.not_between else "",
            f"from {self.start}" if self.start else "",
            f"until {self.end}" if self.end else "",
        ]
        return ", ".join(filter(None, [f"{pace} ({self.timezone})", *limits]))


class ArrivalTrigger(Section):
    """Files are created, changed or deleted in the landing area: other names than the source's, or deletions."""

    kind: Literal["arrival"]
    patterns: tuple[str, ...] = Field(min_length=1, description="Patterns of file names (globs).")
    on: Literal["created", "deleted"] = Field("created", description="Which change of the landing area triggers.")

    def words(self) -> str:
        """Say it as a person would."""
        return f"files {' or '.join(f'`{glob}`' for glob in self.patterns)} were {self.on} in the landing area"


class EventTrigger(Section):
    """Somebody outside posts an event; its payload must be what is declared here, field by field."""

    kind: Literal["event"]
    description: str = Field("", description="What has happened when it is posted, for people.")
    payload: dict[Slug, PayloadField] = Field(
        default_factory=dict, description="What an event must carry; other fields are refused."
    )

    def words(self) -> str:
        """Say it as a person would."""
        return "an event was posted" + (f" with {', '.join(self.payload)}" if self.payload else "")


class DependencyTrigger(Section):
    """Another model's dataset, champion or predictions are new, or a training of it has finished."""

    kind: Literal["dependency"]
    model: Slug = Field(description="Whose change triggers.")
    on: Literal["dataset", "training", "champion", "predictions"] = Field("dataset", description="What of it.")

    def words(self) -> str:
        """Say it as a person would."""
        what = {
            "dataset": "has a new dataset version",
            "training": "has finished a training",
            "champion": "has a new champion",
            "predictions": "has new predictions",
        }
        return f"{self.model} {what[self.on]}"


class WindowTrigger(Section):
    """Tumbling windows of event time, one run each, from `start` on."""

    kind: Literal["window"]
    size: Duration = Field(description="Of each window; they follow one another without a gap.")
    offset: Duration = Field(timedelta(), description="Shift of the windows from 1970-01-01 00:00 UTC.")
    delay: Duration = Field(timedelta(), description="A window closes this long after its end, for late rows.")
    start: AwareDatetime = Field(description="The first window begins at or after this; with its offset.")
    end: AwareDatetime | None = Field(None, description="No window begins at or after this.")
    catch_up: bool = Field(True, description="Run all windows since `start`; False: only new ones, gaps by backfill.")
    depends_on: tuple[Slug, ...] = Field((), description="Models whose windows of the same time must be closed first.")
    patience: Duration = Field(timedelta(days=1), description="How long a window waits for those; then it fails.")
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Windows that are closed at the same time, at most."
    )

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.size <= timedelta():
            raise ValueError("size must be longer than 0s; got 0s")
        if self.offset >= self.size:
            raise ValueError(f"offset must be shorter than size; got {format_duration(self.offset)}")
        if self.end is not None and self.start >= self.end:
            raise ValueError(f"start must be before end; got start {self.start}, end {self.end}")
        return self

    def words(self) -> str:
        """Say it as a person would."""
        late = f", {format_duration(self.delay)} after its end" if self.delay else ""
        return f"a window of {format_duration(self.size)} has closed{late}"


Trigger = Annotated[
    ScheduleTrigger | ArrivalTrigger | EventTrigger | DependencyTrigger | WindowTrigger, Field(discriminator="kind")
]
