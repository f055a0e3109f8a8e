"""Bringing a snapshot back from the archive: requested, pending, available, copied, verified.

Each state is kept in the place before anything else happens, so that whoever is killed goes on where he was, and
everybody can see when a restore expects to be done.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Ref, canonical
from almanac.backup.store.place import Place
from almanac.backup.store.port import ConflictError
from almanac.backup.tiers.port import Stored, TierStore
from almanac.config.sections.tiers import Tiers
from almanac.errors import IntegrityError
from almanac.json_text import parse_json

_FOLDER = "thaws"
_MAX_BYTES = 1 << 18


class ThawState(StrEnum):
    """How far it is."""

    REQUESTED = "requested"
    PENDING = "pending"
    AVAILABLE = "available"
    COPIED = "copied"
    VERIFIED = "verified"


OPEN = (ThawState.REQUESTED, ThawState.PENDING, ThawState.AVAILABLE, ThawState.COPIED)


@dataclass(frozen=True)
class Thaw:
    """A snapshot that was asked for.

    Attributes:
        ref: which.
        state: how far it is.
        requested_at: when it was asked for.
        expected_at: when it should be readable.
        by: who asked.
        objects: how many were frozen.
        size_bytes: of these.
        history: each state with the time at which it was reached.
    """

    ref: Ref
    state: ThawState
    requested_at: datetime
    expected_at: datetime
    by: str
    objects: int
    size_bytes: int
    history: tuple[tuple[str, datetime], ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the restore can go on."""
        return self.state not in (ThawState.REQUESTED, ThawState.PENDING)

    @property
    def words(self) -> str:
        """For people."""
        if self.readable:
            return f"{self.ref}: {self.state}"
        return (
            f"{self.ref}: {self.state}: {self.objects} objects come from the archive since"
            f" {self.requested_at:%Y-%m-%d %H:%M} and are expected at {self.expected_at:%Y-%m-%d %H:%M} UTC"
        )


def archived(place: Place) -> frozenset[str]:
    """The objects of a place that lie in the archive and may have to be asked for; one listing for all snapshots.

    Raises:
        TransientError: the store is away.
    """
    return frozenset(one.name for one in place.store.tiers().stored() if one.readiness != "ready")


def advance(
    place: Place, ref: Ref, archive: Collection[str], settings: Tiers, *, now: datetime, by: str
) -> Thaw | None:
    """Ask for what is frozen of a snapshot, or look how far it is. May be repeated at any time, by anybody.

    Args:
        place: where it is.
        ref: which.
        archive: see `archived`.
        settings: how long the archive takes.
        now: the time.
        by: who asks.

    Returns:
        None when everything could be read all the time.

    Raises:
        IntegrityError: the manifest is damaged.
        TransientError: the store is away.
    """
    tiers, before = place.store.tiers(), find(place, ref)
    cold = _not_ready(place, ref, archive, tiers)
    if not cold:
        return before if before is None or before.readable else mark(place, before, ThawState.AVAILABLE, now=now)
    if before is None or before.readable:
        fresh = Thaw(
            ref, ThawState.REQUESTED, now, now + settings.thaw, by, len(cold), sum(one.size_bytes for one in cold)
        )
        before = _keep(place, fresh, now)
    else:
        before = mark(place, before, ThawState.PENDING, now=now)
    for one in cold:
        if one.readiness == "frozen":  # also what was asked for by somebody who was killed before he came to it
            tiers.thaw(one.name, days=settings.keep_thawed.days)
    return before


def is_frozen(place: Place, ref: Ref, archive: Collection[str]) -> bool:
    """Whether some of a snapshot cannot be read now."""
    return bool(_not_ready(place, ref, archive, place.store.tiers()))


def mark(place: Place, thaw: Thaw, state: ThawState, *, now: datetime) -> Thaw:
    """Keep a new state; one that was reached already is not kept twice."""
    return thaw if thaw.state == state else _keep(place, replace(thaw, state=state), now)


def find(place: Place, ref: Ref) -> Thaw | None:
    """What is known of a snapshot that was asked for."""
    try:
        return _parse(ref, place.store.read(_name(ref), limit=_MAX_BYTES).data, place.uri)
    except FileNotFoundError:
        return None


def thaws(place: Place) -> Sequence[Thaw]:
    """All that were asked for, by subject and age."""
    refs = [Ref.parse(entry.name) for entry in place.store.list(_FOLDER)]
    found = [find(place, ref) for ref in sorted(ref for ref in refs if ref)]
    return [thaw for thaw in found if thaw]


def _not_ready(place: Place, ref: Ref, archive: Collection[str], tiers: TierStore) -> list[Stored]:
    """The objects of a snapshot that cannot be read now; those that are gone are the restore's to name."""
    if not archive:
        return []
    wanted = {entry.object_name for entry in Catalogue(place).read(ref).files}
    found = [tiers.look(name) for name in sorted(wanted.intersection(archive))]  # a listing does not say what was asked
    return [one for one in found if one is not None and one.readiness != "ready"]


def _keep(place: Place, thaw: Thaw, now: datetime) -> Thaw:
    kept = replace(thaw, history=(*thaw.history, (str(thaw.state), now)))
    data, name = canonical(_document(kept)), _name(thaw.ref)
    while not place.store.create(name, data):
        try:
            place.store.replace(name, data, version=place.store.read(name, limit=_MAX_BYTES).version)
        except (ConflictError, FileNotFoundError):
            continue  # two look at the same time: they saw the same store, so the later one is as right
        break
    return kept


def _document(thaw: Thaw) -> dict[str, object]:
    return {
        "state": str(thaw.state),
        "requested_at": thaw.requested_at.isoformat(),
        "expected_at": thaw.expected_at.isoformat(),
        "by": thaw.by,
        "objects": thaw.objects,
        "size_bytes": thaw.size_bytes,
        "history": [[state, at.isoformat()] for state, at in thaw.history],
    }


def _parse(ref: Ref, data: bytes, where: str) -> Thaw:
    at: Callable[[str], datetime] = datetime.fromisoformat
    try:
        said = parse_json(data)
        history = tuple((str(state), at(time)) for state, time in said["history"])
        return Thaw(
            ref, ThawState(said["state"]), at(said["requested_at"]), at(said["expected_at"]), str(said["by"]),
            int(said["objects"]), int(said["size_bytes"]), history,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{where}/{_name(ref)}: damaged; remove it, then restore again") from error


def _name(ref: Ref) -> str:
    return f"{_FOLDER}/{ref.subject}/{ref.name}.json"
