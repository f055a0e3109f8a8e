"""Who is reported what, by which channel, and when not. Addresses and secrets live in Airflow's connections."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.ticks import check_day_time, is_within
from almanac.config.grammar.types import Duration, Slug
from almanac.config.sections.triggers import Zone

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the worst last
AlertKind = Literal[
    "start",
    "end",
    "retry",
    "failure",
    "rejection",
    "late",
    "approval",
    "training",
    "rollout",
    "drift",
    "performance",
    "segments",
    "quality",
    "volume",
    "freshness",
    "staleness",
    "better",
    "running",
    "backup",
    "drill",
    "damage",
    "disk",
    "budget",
    "service",
    "delivery",
    "import",
    "search",
]


class WebhookChannel(Section):
    """JSON by POST. Slack, Mattermost and Teams show its `text`."""

    kind: Literal["webhook"]
    connection: str = Field(description="The Airflow connection with the address, and the token where there is one.")


class MailChannel(Section):
    """A mail, by an Airflow connection of type smtp."""

    kind: Literal["smtp"]
    connection: str = Field(description="The Airflow connection of the mail server.")
    recipients: tuple[str, ...] = Field(min_length=1, description="Addresses that each message goes to.")


class AppriseChannel(Section):
    """Whatever the apprise provider reaches: Slack, Teams, Telegram, PagerDuty and a hundred more."""

    kind: Literal["apprise"]
    connection: str = Field(description="The Airflow connection with Apprise's addresses.")
    tag: str | None = Field(None, description="Only the addresses with this tag; unset: all.")


Channel = Annotated[WebhookChannel | MailChannel | AppriseChannel, Field(discriminator="kind")]


class QuietHours(Section):
    """What is not critical waits until these hours are over."""

    between: Annotated[str, AfterValidator(check_day_time)] = Field(description="'22:00-07:00'")
    timezone: Zone = Field("UTC", description="The clock that the hours are of.")

    def hold(self, now: datetime) -> bool:
        """Whether `now`, aware, is within them."""
        return is_within(self.between, self.timezone, now)


class Escalation(Section):
    """Who else is told when nobody acknowledges what is critical."""

    after: Duration = Field(description="How long an alert may stay unacknowledged.")
    to: tuple[Slug, ...] = Field(min_length=1, description="Names of channels.")


class Alerts(Section):
    """How people are told. Without a channel whose connection exists, everything goes to the log and the journal."""

    channels: dict[Slug, Channel] = Field(
        default_factory=dict, description="Where messages go, by a name of one's own."
    )
    routes: dict[Severity, tuple[Slug, ...]] = Field(
        default_factory=dict, description="Channels by severity; unset: all of them, and none for info."
    )
    silent: tuple[AlertKind, ...] = Field(("start", "end", "retry"), description="Kinds of alerts that are not sent.")
    remind_after: Duration = Field(
        timedelta(days=1), description="An open alert that is not acknowledged is repeated after this."
    )
    quiet_hours: QuietHours | None = None
    escalate: Escalation | None = None

    @model_validator(mode="after")
    def _channels_are_declared(self) -> Self:
        named = {name for names in self.routes.values() for name in names}
        named |= set(self.escalate.to) if self.escalate else set()
        if unknown := sorted(named - self.channels.keys()):
            raise ValueError(f"alerts: unknown channels; got {unknown}, declared {sorted(self.channels)}")
        return self

    def route(self, severity: Severity) -> tuple[str, ...]:
        """The channels for a severity."""
        return self.routes.get(severity, () if severity == "info" else tuple(self.channels))
