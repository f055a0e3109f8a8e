"""What a store must be able to do with tiers. `tests/contracts/test_backup_tiers.py` is the contract."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, get_args

from almanac.errors import TransientError

Tier = Literal["hot", "cool", "archive"]
Readiness = Literal["ready", "pending", "frozen"]
TIERS: tuple[Tier, ...] = get_args(Tier)
OBJECTS = "objects"


class FrozenError(TransientError):
    """An object lies in the archive and must be asked for before it can be read."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where}: is in the archive tier and must be restored from there first. `almanac restore` requests it"
            " and says when to run the command again"
        )


@dataclass(frozen=True)
class Stored:
    """An object and the tier that it lies in.

    Attributes:
        name: below `objects/`.
        size_bytes: as stored.
        tier: where it is billed.
        since: when it came there.
        readiness: whether it can be read; `pending` was asked for. In a listing, `frozen` is all of the archive.
    """

    name: str
    size_bytes: int
    tier: Tier
    since: datetime
    readiness: Readiness = "ready"


class TierStore(Protocol):
    """Moves objects between tiers. An object can be read under its name in whatever tier it is, but for the archive.

    Raises:
        TransientError: on every method, when the store is unreachable or refuses.
    """

    def stored(self) -> Iterator[Stored]:
        """All objects."""

    def look(self, name: str) -> Stored | None:
        """One object, with its readiness; None when it is gone."""

    def move(self, name: str, tier: Tier) -> None:
        """Move an object; an interrupted move leaves it at its old name, its new name, or both.

        Raises:
            FrozenError: it must be asked for first.
        """

    def rehydrate(self, name: str, *, days: int) -> None:
        """Ask for an object of the archive; it can be read later, for at least so many days."""
