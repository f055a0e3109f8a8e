"""Conditions and their due messages: each is sent once while it lasts. Pure; no clock, no database."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from almanac.alerts.message import Message, iso
from almanac.config.sections.alerts import AlertKind, Alerts

# After this many failed attempts a channel is skipped until the condition is reported again.
MAX_ATTEMPTS = 12


@dataclass(frozen=True)
class Alert:
    """Something that is wrong, or that merely happened, from the first time it was seen to its end.

    Attributes:
        id: its number.
        model: whose; empty when it belongs to no model.
        kind: of alert.
        key: what is one condition: the same key while it lasts is the same condition.
        message: as it was last seen.
        opened_at: when it was first seen,
        seen_at: and last,
        times: and how often.
        told_at: when people were last told; None: not yet.
        told_to: the channels that have it.
        attempts: how often a delivery has failed since it was told.
        acknowledged_at, acknowledged_by: who has taken it on.
        escalated_at: when others were told.
        ended_at: when it was over.
        closed_at: when nothing was left to say.
        dismissed_by, dismiss_reason: the person who ended it, and why; empty: it ended when its cause did.
    """

    id: int
    model: str
    kind: AlertKind
    key: str
    message: Message
    opened_at: datetime
    seen_at: datetime
    times: int = 1
    told_at: datetime | None = None
    told_to: tuple[str, ...] = ()
    attempts: int = 0
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    escalated_at: datetime | None = None
    ended_at: datetime | None = None
    closed_at: datetime | None = None
    dismissed_by: str = ""
    dismiss_reason: str = ""

    @property
    def instant(self) -> bool:
        """Whether it merely happened: told once, without an end."""
        return self.ended_at == self.opened_at


@dataclass(frozen=True)
class Due:
    """What is to be sent now.

    Attributes:
        what: new: for the first time, or to channels that could not be reached. reminder: it still lasts. escalation:
            nobody has acknowledged it. end: it is over.
        channels: to whom; empty: to nobody but the log.
    """

    what: Literal["new", "reminder", "escalation", "end"]
    channels: tuple[str, ...]


def due(alerts: Alerts, alert: Alert, now: datetime, away: frozenset[str] = frozenset()) -> Due | None:
    """What is to be told of a condition, if anything.

    Quiet hours delay everything that is not critical, its end too.

    Args:
        alerts: as the model declares them.
        alert: as it stands.
        now: aware.
        away: channels without a connection, which are not waited for.
    """
    severity = alert.message.severity
    if alert.closed_at is not None or alert.kind in alerts.silent:
        return None
    if severity != "critical" and alerts.quiet_hours is not None and alerts.quiet_hours.hold(now):
        return None
    # That a channel does not work cannot be told by that channel.
    own = alert.key if alert.kind == "delivery" else ""
    route = tuple(name for name in alerts.route(severity) if name != own)
    if alert.told_at is None:
        return Due("new", route)
    missing = tuple(name for name in route if name not in alert.told_to and name not in away)
    if missing and alert.told_to and alert.attempts < MAX_ATTEMPTS:
        return Due("new", missing)
    if alert.ended_at is not None:
        return None if alert.instant else Due("end", alert.told_to)
    if alert.acknowledged_at is not None:
        return None
    return _repetition(alerts, alert, route, now)


def _repetition(alerts: Alerts, alert: Alert, route: tuple[str, ...], now: datetime) -> Due | None:
    told_at = alert.told_at or now
    escalation = alerts.escalate
    critical = alert.message.severity == "critical"
    if escalation and critical and alert.escalated_at is None and now - alert.opened_at >= escalation.after:
        return Due("escalation", escalation.to)
    return Due("reminder", route) if now - told_at >= alerts.remind_after else None


def worded(alert: Alert, what: str, now: datetime) -> Message:
    """The message for what is due: since when, how often, and what has changed."""
    since = iso(alert.opened_at)
    known = alert.times > 1 or what != "new"
    message = replace(alert.message, since=since if known else "", times=alert.times)
    prefix = {"reminder": "still: ", "escalation": "not acknowledged: ", "end": "over: "}.get(what, "")
    subject = f"{prefix}{message.subject}"
    if what != "end":
        return replace(message, subject=subject)
    ended = alert.ended_at or now
    how = "it has been settled, or the latest check no longer finds it."
    if alert.dismissed_by:
        how = f"{alert.dismissed_by} has dismissed it: {alert.dismiss_reason}"
    return replace(
        message,
        subject=subject,
        severity="info",
        error=f"It lasted from {_shown(alert.opened_at)} to {_shown(ended)}. It was: {message.error}",
        what_to_do=f"Nothing; {how}",
        raised_at=iso(ended),
    )


def _shown(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
