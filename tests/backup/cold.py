"""A store whose archive is cold: what lies there cannot be read before it was asked for, and comes hours later."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from almanac.backup.store.local_store import LocalStore
from almanac.backup.tiers.folders import TierFolders
from almanac.backup.tiers.port import FrozenError, Readiness, Stored, Tier


class Clock:
    """A time that a test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, time: timedelta) -> None:
        self.now += time


class ColdStore(LocalStore):
    """A folder whose archive thaws as S3's does: a copy that can be read for some days, `takes` after it was wished."""

    def __init__(self, root: Path, clock: Clock, *, takes: timedelta = timedelta(hours=5)) -> None:
        super().__init__(root)
        self._tiers = ColdTiers(root, clock, takes)

    def stream(self, name: str) -> Iterator[bytes]:
        self._tiers.refuse_frozen(name)
        return super().stream(name)

    def head(self, name: str, count: int) -> bytes:
        self._tiers.refuse_frozen(name)
        return super().head(name, count)


class ColdTiers(TierFolders):
    def __init__(self, root: Path, clock: Clock, takes: timedelta) -> None:
        super().__init__(root)
        self.clock, self.takes = clock, takes
        self.asked: dict[str, tuple[datetime, int]] = {}

    def stored(self) -> Iterator[Stored]:
        for one in super().stored():
            yield replace(one, readiness="frozen") if one.tier == "archive" else one

    def look(self, name: str) -> Stored | None:
        found = super().look(name)
        return found and replace(found, readiness=self._readiness(found))

    def move(self, name: str, tier: Tier) -> None:
        self.refuse_frozen(name)
        super().move(name, tier)

    def rehydrate(self, name: str, *, days: int) -> None:
        assert name not in self.asked, "asked for twice: it would be paid twice"
        self.asked[name] = (self.clock(), days)

    def refuse_frozen(self, name: str) -> None:
        found = self.look(name)
        if found is not None and found.readiness != "ready":
            raise FrozenError(name)

    def _readiness(self, found: Stored) -> Readiness:
        if found.tier != "archive":
            return "ready"
        at, days = self.asked.get(found.name, (None, 0))
        if at is None or self.clock() > at + self.takes + timedelta(days=days):
            return "frozen"
        return "ready" if self.clock() >= at + self.takes else "pending"
