"""Locks of a backup repository: writers share one, a sweep is exclusive. See docs/backup-format.md."""

import os
import platform
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Literal

from almanac.backup.store.manifest import canonical, format_time
from almanac.backup.store.port import ConflictError, Store
from almanac.errors import TransientError
from almanac.json_text import parse_json

Kind = Literal["shared", "exclusive"]
HOLDS_FOR = timedelta(minutes=30)
_SKEW = timedelta(minutes=5)  # clocks of machines differ by less
_MAX_BYTES = 1 << 14


@dataclass
class Lock:
    """A lock that this process holds."""

    store: Store
    name: str
    kind: Kind
    what: str
    version: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)

    def held(self) -> bool:
        """Whether it is still ours: it was not taken away, and its time is not over."""
        try:
            found = parse_json(self.store.read(self.name, limit=_MAX_BYTES).data)
        except (FileNotFoundError, ValueError):
            return False
        return datetime.fromisoformat(found["until"]) > datetime.now(UTC)

    def require(self) -> None:
        """Raise if the lock was lost.

        Raises:
            TransientError: it is no longer ours.
        """
        if not self.held():
            raise TransientError(
                f"{self.store.uri}: the lock for {self.what} was lost: this process was suspended for too long, and"
                " another process took over. No data are damaged; try again"
            )

    def prolong(self) -> None:
        """Renew the lock; `held` raises if it was lost."""
        try:
            found = self.store.read(self.name, limit=_MAX_BYTES)
            self.store.replace(self.name, _content(self.kind, self.what), version=found.version)
        except (FileNotFoundError, ConflictError):
            self._stop.set()

    def keep(self) -> None:
        """Prolong it until it is released; runs in a thread."""
        while not self._stop.wait(HOLDS_FOR.total_seconds() / 6):
            try:
                self.prolong()
            except TransientError:
                continue  # the store is unreachable: tried again in time, or `held` says no

    def release(self) -> None:
        """Give it back."""
        self._stop.set()
        self.store.remove(self.name)


@contextmanager
def locked(store: Store, kind: Kind, what: str, *, wait_s: float = 600.0) -> Iterator[Lock]:
    """Hold a lock; an exclusive one is held alone.

    Args:
        store: the place.
        kind: who may hold one at the same time.
        what: its purpose, for messages to waiting processes.
        wait_s: how long to wait for others.

    Raises:
        TransientError: others held theirs all the time.
    """
    lock = _acquire(store, kind, what, time.monotonic() + wait_s)
    keeper = threading.Thread(target=lock.keep, name=f"lock {what}", daemon=True)
    keeper.start()
    try:
        yield lock
    finally:
        lock.release()


def _acquire(store: Store, kind: Kind, what: str, deadline: float) -> Lock:
    while True:
        lock = Lock(store, f"locks/{format_time(datetime.now(UTC))}-{token_hex(4)}.json", kind, what)
        store.create(lock.name, _content(kind, what))
        # a later owner sees ours, an earlier one is seen by us: two that exclude each other never both continue
        holder = _excluding(store, lock)
        if not holder:
            return lock
        store.remove(lock.name)
        if time.monotonic() > deadline:
            raise TransientError(
                f"{store.uri}: locked by {holder}; {what} did not get the lock in time; try again later"
            )
        time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - spreads those who wait


def _excluding(store: Store, own: Lock) -> str:
    """The holder that excludes us, in words; an abandoned lock is removed, so that its owner notices."""
    for entry in list(store.list("locks")):
        if entry.name == own.name:
            continue
        try:
            found = parse_json(store.read(entry.name, limit=_MAX_BYTES).data)
            abandoned, other = _abandoned(found), f"{found['what']} ({found['host']}, process {found['pid']})"
            excludes = "exclusive" in (own.kind, found["kind"])
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError, OverflowError):
            return f"a damaged lock {entry.name}; remove it when no process uses this repository"
        if abandoned:
            store.remove(entry.name)
        elif excludes:
            return other
    return ""


def _content(kind: Kind, what: str) -> bytes:
    until = (datetime.now(UTC) + HOLDS_FOR).isoformat()
    machine, started = _machine(), _started(os.getpid())
    return canonical(
        {
            "kind": kind,
            "what": what,
            "until": until,
            "host": platform.node(),
            "machine": machine,
            "pid": os.getpid(),
            "started": started,
        }
    )


def _abandoned(found: dict[str, object]) -> bool:
    if datetime.fromisoformat(str(found["until"])) + _SKEW < datetime.now(UTC):
        return True
    machine = _machine()
    return bool(machine) and found["machine"] == machine and _started(int(str(found["pid"]))) != found["started"]


def _machine() -> str:
    """Tells machines, their boots and their containers apart; empty where that cannot be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
