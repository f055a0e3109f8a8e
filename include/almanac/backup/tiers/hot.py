"""A store that has no tiers that we know: everything is hot."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from almanac.backup.tiers.port import OBJECTS, Stored, Tier
from almanac.errors import ConfigError

if TYPE_CHECKING:
    from almanac.backup.store.port import Store


class OnlyHot:
    """Keeps `almanac.backup.tiers.port.TierStore` without any."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def stored(self) -> Iterator[Stored]:
        """All objects."""
        for entry in self._store.list(OBJECTS):
            yield Stored(entry.name, entry.size_bytes, "hot", entry.modified_at)

    def look(self, name: str) -> Stored | None:
        """One object."""
        entry = self._store.find(name)
        return None if entry is None else Stored(name, entry.size_bytes, "hot", entry.modified_at)

    def move(self, name: str, tier: Tier) -> None:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{self._store.uri}: tiers are not supported for this kind of store; remove tiers.cool_after")

    def rehydrate(self, name: str, *, days: int) -> None:
        """Nothing is frozen."""
