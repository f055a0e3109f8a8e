"""Open conditions in the journal: who has acknowledged them, and what was sent about them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from almanac.alerts.alert import Alert
from almanac.alerts.message import Message
from almanac.config.sections.alerts import SEVERITIES, AlertKind
from almanac.errors import PermanentError
from almanac.journal.journal import Journal
from almanac.journal.tables import conditions

# Each round checks these causes and opens what still lasts: one that is closed by hand would open again.
LOOKED_AT: frozenset[AlertKind] = frozenset({"disk", "backup", "drill", "damage"})
# One cause makes a task fail for window after window: they are counted, and not told one by one.
_COUNTED: frozenset[str] = frozenset({"failure"})


class AlertLog:
    """Conditions of all models. Safe to use from many processes at once.

    Raises:
        TransientError: on every method, when the database is locked or away.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # Of two processes that see a new condition at once, the loser finds the row of the first.
    @retry(retry=retry_if_exception_type(IntegrityError), stop=stop_after_attempt(3), reraise=True)
    def record(self, message: Message, kind: AlertKind, key: str, now: datetime) -> Alert:
        """Write that a condition was seen: opened, or seen once more with its newest words.

        What has become worse, in severity or by one more part, is reported again, even if it was acknowledged.
        """
        open_key = _open_key(message.model, kind, key)
        with self._journal.transaction() as connection:
            row = connection.execute(select(conditions).where(conditions.c.open_key == open_key)).mappings().first()
            if row is None:
                values = {
                    "model": message.model,
                    "kind": kind,
                    "key": key,
                    "open_key": open_key,
                    "message": asdict(message),
                    "opened_at": now,
                    "seen_at": now,
                    "times": 1,
                    "told_to": [],
                    "attempts": 0,
                    "acknowledged_by": "",
                }
                number = connection.execute(insert(conditions).values(values)).inserted_primary_key[0]
            else:
                number = row["id"]
                again = _again(row, message, now)
                connection.execute(update(conditions).where(conditions.c.id == number).values(again))
        return self.alert(number)

    def end(self, model: str, kind: AlertKind, key: str, now: datetime) -> Alert | None:
        """Write that a condition is over; None when it was not open."""
        mine = conditions.c.open_key == _open_key(model, kind, key)
        with self._journal.transaction() as connection:
            number = connection.execute(select(conditions.c.id).where(mine)).scalar()
            if number is None:
                return None
            over = {"ended_at": now, "open_key": None}
            connection.execute(update(conditions).where(conditions.c.id == number).values(over))
        return self.alert(number)

    def resolve(
        self, model: str, kind: AlertKind, key: str, is_well: Callable[[str], bool], now: datetime
    ) -> Alert | None:
        """Write that some of the things that a condition is about are well again; it is over with the last of them.

        Returns:
            The condition when it is over now; None when it lasts, or was not open.
        """
        mine = conditions.c.open_key == _open_key(model, kind, key)
        with self._journal.transaction() as connection:
            row = connection.execute(select(conditions).where(mine)).mappings().first()
            if row is None:
                return None
            before = row["message"].get("parts", [])
            left = [part for part in before if not is_well(part)]
            if left:  # a condition of an older version names no parts: it ends as a whole
                narrowed = {"message": {**row["message"], "parts": left}}
                connection.execute(update(conditions).where(conditions.c.id == row["id"]).values(narrowed))
                return None
        return self.end(model, kind, key, now)

    def save(self, alert: Alert) -> None:
        """Write what was told of it and to whom, and that nothing is left to say."""
        columns = ("told_at", "told_to", "attempts", "escalated_at", "closed_at")
        values = {name: getattr(alert, name) for name in columns}
        values["told_to"] = list(alert.told_to)
        with self._journal.transaction() as connection:
            connection.execute(update(conditions).where(conditions.c.id == alert.id).values(values))

    def acknowledge(self, number: int, by: str, now: datetime) -> Alert:
        """Write who has taken a condition on: no reminder, no escalation any more.

        Raises:
            PermanentError: there is no such condition, or it is over.
        """
        alert = self.alert(number)
        if alert.ended_at is not None:
            raise PermanentError(f"alert {number}: closed since {alert.ended_at.isoformat()}; nothing to do")
        with self._journal.transaction() as connection:
            mine = update(conditions).where(conditions.c.id == number)
            connection.execute(mine.values(acknowledged_at=now, acknowledged_by=by))
        return self.alert(number)

    def dismiss(self, number: int, by: str, reason: str, now: datetime) -> Alert:
        """Close a condition whose cause will not be removed: a rejected file that is not delivered again.

        Raises:
            PermanentError: there is no such condition, it is over, no reason is given, or it would be told again.
        """
        alert = self.alert(number)
        if not reason.strip():
            raise PermanentError(f"alert {number}: no reason given; say why nothing has to be done: it is recorded")
        if alert.ended_at is not None:
            raise PermanentError(f"alert {number}: closed since {alert.ended_at.isoformat()}; nothing to do")
        if alert.kind in LOOKED_AT:
            raise PermanentError(
                f"alert {number}: cannot be dismissed. Its cause is checked every few minutes, so the alert"
                f" would open again; `almanac alerts ack {number}` acknowledges it: it is not repeated while it lasts"
            )
        over = {"ended_at": now, "open_key": None, "dismissed_by": by, "dismiss_reason": reason.strip()}
        with self._journal.transaction() as connection:
            connection.execute(update(conditions).where(conditions.c.id == number).values(over))
        return self.alert(number)

    def alert(self, number: int) -> Alert:
        """Look at one.

        Raises:
            PermanentError: there is none of this number.
        """
        with self._journal.transaction() as connection:
            row = connection.execute(select(conditions).where(conditions.c.id == number)).mappings().first()
        if row is None:
            raise PermanentError(f"alert {number}: there is none; `almanac alerts list` shows what is open")
        return _alert(row)

    def open_keys(self, model: str, kind: AlertKind) -> set[str]:
        """The keys of the open conditions of a kind."""
        query = select(conditions.c.key).where(
            (conditions.c.model == model) & (conditions.c.kind == kind) & conditions.c.open_key.is_not(None)
        )
        with self._journal.transaction() as connection:
            return set(connection.execute(query).scalars())

    def parts(self, model: str, kind: AlertKind, key: str) -> tuple[str, ...]:
        """The parts of the open condition of this key; empty when there is none."""
        query = select(conditions.c.message).where(conditions.c.open_key == _open_key(model, kind, key))
        with self._journal.transaction() as connection:
            message = connection.execute(query).scalar()
        return tuple(message.get("parts", ())) if message else ()

    def last_recorded(self, *kinds: AlertKind, since: datetime) -> dict[str, datetime]:
        """When each condition of some kinds that was seen since a time was last seen, by key; open or over."""
        last = func.max(conditions.c.seen_at).label("last")
        query = select(conditions.c.key, last).where(conditions.c.kind.in_(kinds), conditions.c.seen_at >= since)
        with self._journal.transaction() as connection:
            found = connection.execute(query.group_by(conditions.c.key)).mappings().all()
        return {row["key"]: row["last"] for row in found}

    def unclosed(self) -> list[Alert]:
        """All that last, and all of which something is left to say, the oldest first."""
        return self._list(select(conditions).where(conditions.c.closed_at.is_(None)).order_by(conditions.c.id))

    def recent(self, *, model: str = "", over: bool = True, limit: int = 200) -> list[Alert]:
        """The newest, newest first.

        Args:
            model: only this one's.
            over: those that are over, too.
            limit: how many at most.
        """
        query = select(conditions).order_by(conditions.c.id.desc()).limit(limit)
        query = query if over else query.where(conditions.c.ended_at.is_(None))
        return self._list(query.where(conditions.c.model == model) if model else query)

    def _list(self, query: Select[Any]) -> list[Alert]:
        with self._journal.transaction() as connection:
            return [_alert(row) for row in connection.execute(query).mappings()]


def _again(row: RowMapping, message: Message, now: datetime) -> dict[str, Any]:
    """What changes when a condition is seen once more. Parts add up: what comes and goes is told once."""
    before, parts = row["message"], row["message"].get("parts", [])
    new = [part for part in message.parts if part not in parts]
    worse = SEVERITIES.index(message.severity) > SEVERITIES.index(before["severity"])
    changes: dict[str, Any] = {
        "told_at": None,
        "told_to": [],
        "attempts": 0,
        "acknowledged_at": None,
        "acknowledged_by": "",
    }
    return {
        "seen_at": now,
        "times": row["times"] + 1,
        "message": asdict(replace(message, parts=(*parts, *new))),
        **(changes if worse or (new and row["kind"] not in _COUNTED) else {}),
    }


def _open_key(model: str, kind: str, key: str) -> str:
    return f"{model}|{kind}|{key}"[:500]


def _alert(row: RowMapping) -> Alert:
    names = {field.name for field in fields(Alert)}
    values: Mapping[str, Any] = {name: value for name, value in row.items() if name in names}
    stored = row["message"]
    message = Message(**{**stored, "parts": tuple(stored.get("parts", ()))})
    return Alert(**{**values, "message": message, "told_to": tuple(row["told_to"])})
