"""Bringing a snapshot back from the archive: requested, pending, available, copied, verified.

Each state is kept in the repository before anything else happens, so that a killed process continues where it was, and
everybody can see when a restore expects to be done.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Ref, canonical
from almanac.backup.store.port import ConflictError
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers.port import Stored, TierStore
from almanac.config.sections.retention.tiers import Tiers
from almanac.errors import IntegrityError
from almanac.json_text import parse_json

_FOLDER = "thaws"
_MAX_BYTES = 1 << 18


class ArchiveRequestState(StrEnum):
    """How far it is."""

    REQUESTED = "requested"
    PENDING = "pending"
    AVAILABLE = "available"
    COPIED = "copied"
    VERIFIED = "verified"


OPEN = (
    ArchiveRequestState.REQUESTED,
    ArchiveRequestState.PENDING,
    ArchiveRequestState.AVAILABLE,
    ArchiveRequestState.COPIED,
)


@dataclass(frozen=True)
class ArchiveRequest:
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
    state: ArchiveRequestState
    requested_at: datetime
    expected_at: datetime
    by: str
    objects: int
    size_bytes: int
    history: tuple[tuple[str, datetime], ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the restore can go on."""
        return self.state not in (ArchiveRequestState.REQUESTED, ArchiveRequestState.PENDING)

    @property
    def words(self) -> str:
        """For people."""
        if self.readable:
            return f"{self.ref}: {self.state}"
        return (
            f"{self.ref}: {self.state}: {self.objects} objects come from the archive since"
            f" {self.requested_at:%Y-%m-%d %H:%M} and are expected at {self.expected_at:%Y-%m-%d %H:%M} UTC"
        )


def archived(repository: BackupRepository) -> frozenset[str]:
    """The objects of a repository that lie in the archive and may have to be asked for; one listing for all snapshots.

    Raises:
        TransientError: the store is unreachable.
    """
    return frozenset(one.name for one in repository.store.tiers().stored() if one.readiness != "ready")


def advance(
    repository: BackupRepository, ref: Ref, archive: Collection[str], settings: Tiers, *, now: datetime, by: str
) -> ArchiveRequest | None:
    """Request a snapshot's objects from the archive, or check their state. May be repeated at any time.

    Args:
        repository: where it is.
        ref: which.
        archive: see `archived`.
        settings: how long the archive takes.
        now: the time.
        by: the person or command that asks.

    Returns:
        None when everything could be read all the time.

    Raises:
        IntegrityError: the manifest is damaged.
        TransientError: the store is unreachable.
    """
    tiers, before = repository.store.tiers(), find(repository, ref)
    cold = _not_ready(repository, ref, archive, tiers)
    if not cold:
        return (
            before
            if before is None or before.readable
            else mark(repository, before, ArchiveRequestState.AVAILABLE, now=now)
        )
    if before is None or before.readable:
        fresh = ArchiveRequest(
            ref,
            ArchiveRequestState.REQUESTED,
            now,
            now + settings.thaw,
            by,
            len(cold),
            sum(one.size_bytes for one in cold),
        )
        before = _keep(repository, fresh, now)
    else:
        before = mark(repository, before, ArchiveRequestState.PENDING, now=now)
    for one in cold:
        if one.readiness == "frozen":  # also requests of a process that was killed before it made them
            tiers.rehydrate(one.name, days=settings.keep_thawed.days)
    return before


def is_frozen(repository: BackupRepository, ref: Ref, archive: Collection[str]) -> bool:
    """Whether some of a snapshot cannot be read now."""
    return bool(_not_ready(repository, ref, archive, repository.store.tiers()))


def mark(
    repository: BackupRepository, request: ArchiveRequest, state: ArchiveRequestState, *, now: datetime
) -> ArchiveRequest:
    """Keep a new state; one that was reached already is not kept twice."""
    return request if request.state == state else _keep(repository, replace(request, state=state), now)


def find(repository: BackupRepository, ref: Ref) -> ArchiveRequest | None:
    """What is known of a snapshot that was asked for."""
    try:
        return _parse(ref, repository.store.read(_name(ref), limit=_MAX_BYTES).data, repository.uri)
    except FileNotFoundError:
        return None


def archive_requests(repository: BackupRepository) -> Sequence[ArchiveRequest]:
    """All that were asked for, by subject and age."""
    refs = [Ref.parse(entry.name) for entry in repository.store.list(_FOLDER)]
    found = [find(repository, ref) for ref in sorted(ref for ref in refs if ref)]
    return [request for request in found if request]


def _not_ready(repository: BackupRepository, ref: Ref, archive: Collection[str], tiers: TierStore) -> list[Stored]:
    """The objects of a snapshot that cannot be read now; those that are gone are the restore's to name."""
    if not archive:
        return []
    wanted = {entry.object_name for entry in Catalogue(repository).read(ref).files}
    found = [tiers.look(name) for name in sorted(wanted.intersection(archive))]  # a listing does not say what was asked
    return [one for one in found if one is not None and one.readiness != "ready"]


def _keep(repository: BackupRepository, request: ArchiveRequest, now: datetime) -> ArchiveRequest:
    kept = replace(request, history=(*request.history, (str(request.state), now)))
    data, name = canonical(_document(kept)), _name(request.ref)
    while not repository.store.create(name, data):
        try:
            repository.store.replace(name, data, version=repository.store.read(name, limit=_MAX_BYTES).version)
        except (ConflictError, FileNotFoundError):
            continue  # two look at the same time: they saw the same store, so the later one is as right
        break
    return kept


def _document(request: ArchiveRequest) -> dict[str, object]:
    return {
        "state": str(request.state),
        "requested_at": request.requested_at.isoformat(),
        "expected_at": request.expected_at.isoformat(),
        "by": request.by,
        "objects": request.objects,
        "size_bytes": request.size_bytes,
        "history": [[state, at.isoformat()] for state, at in request.history],
    }


def _parse(ref: Ref, data: bytes, where: str) -> ArchiveRequest:
    at: Callable[[str], datetime] = datetime.fromisoformat
    try:
        document = parse_json(data)
        history = tuple((str(state), at(time)) for state, time in document["history"])
        return ArchiveRequest(
            ref,
            ArchiveRequestState(document["state"]),
            at(document["requested_at"]),
            at(document["expected_at"]),
            str(document["by"]),
            int(document["objects"]),
            int(document["size_bytes"]),
            history,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{where}/{_name(ref)}: damaged; remove it, then restore again") from error


def _name(ref: Ref) -> str:
    return f"{_FOLDER}/{ref.subject}/{ref.name}.json"
