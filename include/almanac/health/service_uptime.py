"""Reports restarts, clock changes and missed rounds of checks, by comparison with the last round."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from almanac.alerts.message import Message, event_message, iso
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark
from almanac.services.uptime import ServiceUptime

_NAME = "services"
# A service that counts its age in whole seconds seems to begin a moment earlier or later each time.
_SAME = timedelta(seconds=5)
# NTP moves a clock that runs well by less.
_SAME_CLOCK = timedelta(minutes=1)
# `alerts` looks every five minutes.
MAX_SILENCE = timedelta(minutes=30)


def restart_messages(
    journal: Journal, found: Sequence[ServiceUptime], machine: ServiceUptime | None, run: RunRef, now: datetime
) -> dict[str, Message]:
    """The alerts since the last round, by what they are about; the first round tells none. Remembers what was found.

    Args:
        journal: remembers.
        found: the services that answer.
        machine: on which this round is made, since its boot; None: it does not say.
        run: the run that asks.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    mark = journal.watermark("", _NAME)
    before = {name: datetime.fromisoformat(text) for name, text in json.loads(mark.value).items()} if mark else {}
    # An unreachable service keeps its entry: it is reported when it is back.
    known = {**before, **{one.name: one.began for one in (*found, *([machine] if machine else []))}}
    value = json.dumps({name: began.isoformat() for name, began in known.items()})
    journal.record_watermark(Watermark("", _NAME, value, now, run))
    if mark is None:
        return {}
    again = [one for one in found if one.name in before and abs(one.began - before[one.name]) > _SAME]
    messages = {f"{one.name} {iso(one.began)}": _restarted(one, before[one.name], run, now) for one in again}
    if jump := _jump(before, machine):
        messages[f"clock {iso(now)}"] = _set(jump, run, now)
    silence = now - mark.recorded_at - jump
    if silence > MAX_SILENCE or silence < timedelta(0):
        messages[f"rounds {iso(mark.recorded_at)}"] = _silent(mark.recorded_at, silence, run, now)
    return messages


def _jump(before: Mapping[str, datetime], machine: ServiceUptime | None) -> timedelta:
    """By how much the clock of this machine was set since the last round that was made on it."""
    if machine is None:
        return timedelta(0)
    jump = machine.began - before.get(machine.name, machine.began)
    return jump if abs(jump) > _SAME_CLOCK else timedelta(0)


def _restarted(one: ServiceUptime, before: datetime, run: RunRef, now: datetime) -> Message:
    how = "It had shut down normally." if one.regular else "It did not shut down: it crashed or was killed."
    return event_message(
        "service",
        severity="info" if one.regular else "warning",
        model="",
        run=run,
        now=now,
        subject=f"{one.name} was restarted",
        words=f"It has run since {iso(one.began)}; its predecessor had started at {iso(before)}. {how} Work that"
        " it left unfinished is retried automatically.",
        what_to_do="Nothing, if somebody restarted it. Otherwise read the end of its log before that time:"
        " was memory short?",
    )


def _set(jump: timedelta, run: RunRef, now: datetime) -> Message:
    minutes, where = round(abs(jump) / timedelta(minutes=1)), "ahead" if jump > timedelta(0) else "back"
    return event_message(
        "service",
        severity="warning",
        model="",
        run=run,
        now=now,
        subject=f"the clock of the machine was set {where} by {minutes} min",
        words=f"It shows {iso(now)} now. After a jump ahead, runs that are due in between start at once; after a"
        " jump back, scheduled runs wait until the clock reaches their time again. Files are ingested as they land.",
        what_to_do="Nothing, if that was a correction. Otherwise fix NTP (`timedatectl`): schedules follow the clock.",
    )


def _silent(last: datetime, silence: timedelta, run: RunRef, now: datetime) -> Message:
    passed = f"; {silence // timedelta(minutes=1)} min have passed" if silence > timedelta(0) else ""
    return event_message(
        "service",
        severity="warning",
        model="",
        run=run,
        now=now,
        subject="the DAG alerts has not run for a long time",
        words=f"The last round was at {iso(last)}, this one is at {iso(now)}{passed}. Airflow did not run meanwhile,"
        " the DAG alerts was paused, or the clock of the machine was set.",
        what_to_do="See the scheduler's log of that time, and the clock (`timedatectl`): schedules follow the clock.",
    )
