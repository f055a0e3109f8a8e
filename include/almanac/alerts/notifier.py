"""Sends due messages, and records what was sent. What cannot be sent now is sent by the next round."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from almanac.alerts.alert import Alert, Due, due, worded
from almanac.alerts.alert_log import AlertLog
from almanac.alerts.delivery import deliver
from almanac.alerts.last_resort import LastResort
from almanac.alerts.message import Message, event_message, mask
from almanac.config.sections.alerts import AlertKind, Alerts, Channel
from almanac.errors import DamagedDatabaseError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

LOG = "log"


class Sender(Protocol):
    """How messages leave this machine."""

    def reaches(self, channel: Channel) -> bool:
        """Whether the channel's connection exists."""
        ...

    def send(self, channel: Channel, message: Message) -> object:
        """Send, or raise what kept it from being sent."""
        ...


class Notifier:
    """Tells conditions to the people whom a model names.

    Args:
        journal: remembers conditions and deliveries.
        sender: brings messages out.
        log: takes the text of what has no channel.
        run: the run that reports.
        last_resort: remembers what was told while the journal could not be opened; none: in the temporary folder.
    """

    def __init__(
        self,
        journal: Journal,
        sender: Sender,
        log: Callable[[str], object],
        run: RunRef,
        last_resort: LastResort | None = None,
    ) -> None:
        self._journal = journal
        self._alerts = AlertLog(journal)
        self._sender = sender
        self._log = log
        self._run = run
        self._last_resort = last_resort or LastResort(Path(tempfile.gettempdir()) / f"almanac-{os.getuid()}-alerts")
        self._reachable: dict[str, bool] = {}

    def open(self, alerts: Alerts, message: Message, kind: AlertKind, key: str, now: datetime) -> None:
        """Something lasts: told when it is new, counted when it is known.

        Raises:
            TransientError, DamagedDatabaseError: the journal cannot be used; what is critical was told all the same.
        """
        try:
            alert = self._alerts.record(message, kind, key, now)
        except (TransientError, DamagedDatabaseError) as error:
            self._notify_without_journal(alerts, message, kind, key, now, error)
            raise
        self._notify(alerts, alert, now)

    def notify_once(self, alerts: Alerts, message: Message, kind: AlertKind, key: str, now: datetime) -> None:
        """Something happened that has no end: told once."""
        if kind in alerts.silent:
            return
        try:
            self._alerts.record(message, kind, key, now)
        except (TransientError, DamagedDatabaseError) as error:
            self._notify_without_journal(alerts, message, kind, key, now, error)
            raise
        alert = self._alerts.end(message.model, kind, key, now)
        if alert is not None:
            self._notify(alerts, alert, now)

    def resolve(self, alerts: Alerts, model: str, kind: AlertKind, key: str, now: datetime) -> None:
        """Something is over: told once to those who were told that it began. Nothing when it had not begun."""
        alert = self._alerts.end(model, kind, key, now)
        if alert is not None:
            self._notify(alerts, alert, now)

    def resolve_parts(
        self, alerts: Alerts, model: str, kind: AlertKind, key: str, is_well: Callable[[str], bool], now: datetime
    ) -> None:
        """Things that a condition is about are well again: its end is told with the last of them."""
        alert = self._alerts.resolve(model, kind, key, is_well, now)
        if alert is not None:
            self._notify(alerts, alert, now)

    def is_open(self, model: str, kind: AlertKind) -> bool:
        """Whether anything of a kind lasts."""
        return bool(self._alerts.open_keys(model, kind))

    def resolve_except(
        self, alerts: Alerts, model: str, kind: AlertKind, lasting: Iterable[str], now: datetime
    ) -> None:
        """All open conditions of a kind are over, but those whose keys are given."""
        for key in sorted(self._alerts.open_keys(model, kind) - set(lasting)):
            self.resolve(alerts, model, kind, key, now)

    def parts(self, model: str, kind: AlertKind, key: str) -> tuple[str, ...]:
        """What an open condition was told of; empty when none of the key is open.

        Raises:
            TransientError: the journal is unreachable.
        """
        return self._alerts.parts(model, kind, key)

    def process_due(self, declared: Mapping[str, Alerts], otherwise: Alerts, now: datetime) -> int:
        """Tell whatever has become due: held back, undelivered, unacknowledged, lasting; give the number of messages.

        Args:
            declared: by model.
            otherwise: for what belongs to no model.
            now: aware.
        """
        unclosed = self._alerts.unclosed()
        return sum(self._notify(declared.get(one.model, otherwise), one, now) for one in unclosed)

    def _notify_without_journal(
        self, alerts: Alerts, message: Message, kind: AlertKind, key: str, now: datetime, error: Exception
    ) -> None:
        """Bring what is critical out past the journal, once in an hour; nothing of it can be remembered there."""
        if message.severity != "critical" or kind in alerts.silent:
            return
        if not self._last_resort.is_due(f"{message.model} {kind} {key}", now):
            return
        words = f"{message.error}\n\nThe journal cannot be used, so this message is repeated each hour: {error}"
        message = replace(message, error=words)
        names = [name for name in alerts.route("critical") if self._reaches(alerts, name)]
        for name in names:
            try:
                self._sender.send(alerts.channels[name], message)
            except Exception as failure:  # noqa: BLE001 - providers' hooks raise what they like
                self._log(
                    f"alert not delivered by {name}: {mask(f'{type(failure).__name__}: {failure}')}\n{message.text}"
                )
        if not names:
            self._log(message.text)

    def _notify(self, alerts: Alerts, alert: Alert, now: datetime) -> bool:
        """Tell what is due of a condition, and write what was told; gives whether anything was due."""
        away = frozenset(name for name in alerts.channels if not self._reaches(alerts, name))
        what = due(alerts, alert, now, away)
        if what is not None:
            alert = self._deliver(alerts, alert, what, now)
        over = alert.closed_at is None and alert.ended_at is not None
        held = what is None and alert.told_at is None and alert.kind not in alerts.silent
        if over and not held and due(alerts, alert, now, away) is None:
            alert = replace(alert, closed_at=now)
        self._alerts.save(alert)
        return what is not None

    def _reaches(self, alerts: Alerts, name: str) -> bool:
        """Whether the channel's connection exists; asked once."""
        channel = alerts.channels[name]
        if channel.connection not in self._reachable:
            self._reachable[channel.connection] = self._sender.reaches(channel)
        return self._reachable[channel.connection]

    def _deliver(self, alerts: Alerts, alert: Alert, what: Due, now: datetime) -> Alert:
        message = worded(alert, what.what, now)
        names = [name for name in what.channels if self._reaches(alerts, name)]
        reached = [name for name in names if self._send(alerts, name, message, now)]
        if alert.kind != "delivery":
            for name in names:
                self._note_delivery(alerts, message.model, name, name in reached, now)
        if not names:
            deliver(message, LOG, lambda: self._log(message.text), journal=self._journal, run=self._run, now=now)
        alert = replace(alert, attempts=alert.attempts + len(names) - len(reached))
        if what.what == "end":
            return replace(alert, closed_at=now)
        if reached or not names:
            told_to = tuple(dict.fromkeys([*alert.told_to, *reached]))
            escalated_at = now if what.what == "escalation" else alert.escalated_at
            return replace(alert, told_at=now, told_to=told_to, escalated_at=escalated_at)
        return alert

    def _send(self, alerts: Alerts, name: str, message: Message, now: datetime) -> bool:
        channel = alerts.channels[name]
        return deliver(
            message, name, lambda: self._sender.send(channel, message), journal=self._journal, run=self._run, now=now
        )

    def _note_delivery(self, alerts: Alerts, model: str, name: str, delivered: bool, now: datetime) -> None:
        """A channel that does not work is told by the others: nobody misses what never came."""
        if delivered:
            self.resolve(alerts, model, "delivery", name, now)
            return
        message = event_message(
            "delivery",
            severity="critical",
            model=model,
            subject=f"alerts by {name} do not arrive",
            words=f"The channel {name!r} did not accept a message; it is sent again. The reason is in the journal:"
            " `almanac alerts list --undelivered`.",
            what_to_do="Check the receiver and the channel's Airflow connection.",
            run=self._run,
            now=now,
        )
        self.open(alerts, message, "delivery", name, now)
