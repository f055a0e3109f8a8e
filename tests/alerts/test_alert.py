"""What is due to be told: once while it lasts, held in quiet hours, repeated, escalated, and its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almanac.alerts.alert import Alert, Due, due, worded
from almanac.alerts.message import event_message
from almanac.config.sections.alerts import Alerts
from almanac.journal.records import RunRef

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = NOON + timedelta(hours=12)
CHANNELS = {
    "pager": {"kind": "webhook", "connection": "almanac_webhook"},
    "mail": {"kind": "smtp", "connection": "almanac_smtp", "recipients": ["ops@port.example"]},
}


def alerts(**more: Any) -> Alerts:
    return Alerts.model_validate({"channels": CHANNELS, **more})


def condition(severity: Any = "warning", **more: Any) -> Alert:
    message = event_message(
        "drift",
        severity=severity,
        model="weather",
        subject="pressure has drifted",
        words="KS .31, limit .10",
        what_to_do="Look.",
        run=RunRef("monitor_weather", "r", 1),
        now=NOON,
    )
    return replace(Alert(1, "weather", "drift", "Pressure", message, NOON, NOON), **more)


def told(severity: Any = "warning", **more: Any) -> Alert:
    return condition(severity, **{"told_at": NOON, "told_to": ("pager", "mail"), **more})


def test_due_new_condition_is_reported_to_the_route_of_its_severity():
    declared = alerts(routes={"warning": ["mail"]})

    assert due(declared, condition(), NOON) == Due("new", ("mail",))
    assert due(declared, condition("critical"), NOON) == Due("new", ("pager", "mail"))
    assert due(declared, condition("info"), NOON) == Due("new", ())


def test_due_condition_that_was_reported_is_reported_once_while_it_lasts():
    assert due(alerts(), told(times=9), NOON + timedelta(hours=3)) is None


def test_due_silent_kind_is_never_reported():
    assert due(alerts(silent=["drift"]), condition("critical"), NOON) is None


@pytest.mark.parametrize(("severity", "expected"), [("warning", None), ("critical", Due("new", ("pager", "mail")))])
def test_due_quiet_hours_hold_back_what_is_not_critical(severity, expected):
    quiet = alerts(quiet_hours={"between": "22:00-07:00", "timezone": "UTC"})

    assert due(quiet, condition(severity), MIDNIGHT) == expected


def test_due_what_was_held_back_is_reported_when_quiet_hours_are_over():
    quiet = alerts(quiet_hours={"between": "22:00-07:00", "timezone": "Europe/Helsinki"})

    assert due(quiet, condition(), datetime(2026, 11, 22, 4, 59, tzinfo=UTC)) is None  # 06:59 there
    assert due(quiet, condition(), datetime(2026, 11, 22, 5, tzinfo=UTC)) == Due("new", ("pager", "mail"))


def test_due_channel_that_was_not_reached_is_tried_again_alone():
    assert due(alerts(), told(told_to=("mail",), attempts=1), NOON) == Due("new", ("pager",))
    assert due(alerts(), told(told_to=("mail",), attempts=12), NOON) is None


def test_due_what_lasts_is_reported_again_after_a_while_unless_somebody_has_it():
    later = NOON + timedelta(days=1)

    assert due(alerts(), told(), later) == Due("reminder", ("pager", "mail"))
    assert due(alerts(), told(acknowledged_at=NOON, acknowledged_by="ann"), later) is None


def test_due_critical_that_nobody_acknowledges_is_escalated_once():
    declared = alerts(routes={"critical": ["pager"]}, escalate={"after": "2h", "to": ["mail"]})
    open_ = told("critical", told_to=("pager",))

    assert due(declared, open_, NOON + timedelta(minutes=119)) is None
    assert due(declared, open_, NOON + timedelta(hours=2)) == Due("escalation", ("mail",))
    assert due(declared, replace(open_, escalated_at=NOON), NOON + timedelta(hours=3)) is None
    assert due(declared, replace(open_, acknowledged_at=NOON), NOON + timedelta(hours=3)) is None
    assert due(declared, told("warning", told_to=("pager",)), NOON + timedelta(hours=3)) == Due("new", ("mail",))


def test_due_end_is_reported_to_those_who_know_of_the_beginning():
    over = told(told_to=("pager",), ended_at=NOON + timedelta(hours=1))

    assert due(alerts(routes={"warning": ["pager"]}), over, NOON + timedelta(hours=1)) == Due("end", ("pager",))


def test_due_what_merely_happened_has_no_end():
    assert due(alerts(), told(ended_at=NOON), NOON + timedelta(days=3)) is None


def test_due_closed_condition_is_left_alone():
    assert due(alerts(), condition(closed_at=NOON), NOON + timedelta(days=3)) is None


def test_worded_says_since_when_and_how_often():
    message = worded(condition(times=3), "reminder", NOON)

    assert message.subject == "still: pressure has drifted"
    assert "Seen: 3 times" in message.text
    assert "Since: 2026-11-21T12:00:00+00:00" in message.text
    assert "Runbook: docs/operations.md#alert-drift" in message.text


def test_worded_end_says_how_long_it_lasted():
    message = worded(told(ended_at=NOON + timedelta(hours=1)), "end", NOON)

    assert message.subject == "over: pressure has drifted"
    assert message.severity == "info"
    assert "from 2026-11-21 12:00 UTC to 2026-11-21 13:00 UTC" in message.error


def test_alerts_route_to_a_channel_that_is_not_declared_is_refused():
    with pytest.raises(ValueError, match=r"unknown channels; got \['siren'\], declared \['mail', 'pager'\]"):
        alerts(escalate={"after": "1h", "to": ["siren"]})
