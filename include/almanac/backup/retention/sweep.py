"""Deletes what was forgotten long enough ago, and orphans: under an exclusive lock, and only a share at once."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.backup.store.catalogue import Catalogue, Tombstone
from almanac.backup.store.locks import Lock, locked
from almanac.backup.store.manifest import Manifest, Ref, object_name
from almanac.backup.store.repository import BackupRepository, check_format
from almanac.backup.tiers.plan import must_stay
from almanac.config.sections.retention.tiers import Tiers
from almanac.errors import ApprovalError, IntegrityError
from almanac.failpoints import failpoint

log = logging.getLogger(__name__)
_AT_ONCE = 100
_UNFINISHED = timedelta(days=1)


@dataclass(frozen=True)
class SweepPlan:
    """What would be deleted.

    Attributes:
        manifests: forgotten snapshots whose grace is over.
        objects: objects that no other manifest names, with their stored sizes.
        waiting: forgotten snapshots within their grace.
        total_bytes: of all objects of the repository.
    """

    manifests: tuple[Ref, ...]
    objects: dict[str, int]
    waiting: tuple[Tombstone, ...]
    total_bytes: int

    @property
    def bytes(self) -> int:
        """What would be freed."""
        return sum(self.objects.values())

    @property
    def share(self) -> float:
        """Of the repository."""
        return self.bytes / self.total_bytes if self.total_bytes else 0.0


def plan_sweep(
    repository: BackupRepository, *, grace: timedelta, now: datetime, tiers: Tiers | None = None
) -> SweepPlan:
    """Say what a sweep would delete; nothing is changed.

    Args:
        repository: which.
        grace: so long after it was forgotten a snapshot stays, and so long an orphan.
        now: the time.
        tiers: minimum stays; an object that is billed anyway stays. None: no minimum stays.

    Raises:
        IntegrityError: a manifest is damaged, so that the objects it needs are unknown; nothing may be deleted.
    """
    check_format(repository.store)
    catalogue = Catalogue(repository)
    there = frozenset(catalogue.refs(forgotten=True))
    tombstones = [tombstone for tombstone in catalogue.tombstones() if tombstone.ref in there]
    dead = {tombstone.ref for tombstone in tombstones if tombstone.forgotten_at + grace <= now}
    living = {ref: _read(catalogue, ref) for ref in there - dead}
    dead -= {Ref(member.subject, member.name) for manifest in living.values() for member in manifest.members}
    living |= {ref: _read(catalogue, ref) for ref in there - dead - living.keys()}
    needed = {object_name(entry.sha256) for manifest in living.values() for entry in manifest.files}
    objects = list(repository.store.list("objects"))
    orphans = {o.name: o.size_bytes for o in objects if o.name not in needed and o.modified_at + grace <= now}
    if tiers is not None and orphans:
        billed = must_stay(repository.store.tiers().stored(), tiers, now=now)
        orphans = {name: size for name, size in orphans.items() if name not in billed}
    total = sum(entry.size_bytes for entry in objects)
    waiting = tuple(tombstone for tombstone in tombstones if tombstone.ref not in dead)
    return SweepPlan(tuple(sorted(dead)), orphans, waiting, total)


def sweep(
    repository: BackupRepository,
    *,
    grace: timedelta,
    now: datetime,
    max_share: float,
    approved: bool = False,
    tiers: Tiers | None = None,
) -> SweepPlan:
    """Delete what `plan_sweep` says, alone in the repository: manifests first, then objects.

    Whatever kills it leaves at worst orphans, which the next one takes.

    Args:
        repository: which.
        grace: see `plan_sweep`.
        now: the time.
        max_share: more of the repository than this is not deleted without a person.
        approved: a person has looked at the plan.
        tiers: see `plan_sweep`.

    Returns:
        What was deleted.

    Raises:
        ApprovalError: it would be more than `max_share`; nothing was deleted.
        IntegrityError: see `plan_sweep`; nothing was deleted.
        TransientError: others work in the repository, or the store is unreachable.
    """
    with locked(repository.store, "exclusive", "sweep") as lock:
        plan = plan_sweep(repository, grace=grace, now=now, tiers=tiers)
        if plan.share > max_share and not approved:
            raise ApprovalError(
                f"{repository.uri}: a sweep would delete {plan.share:.0%} of it ({plan.bytes >> 20} MiB, of"
                f" {len(plan.manifests)} snapshots); expected at most {max_share:.0%}. Nothing was deleted. See"
                " `almanac sweep --dry-run`; if it is intended: almanac sweep --approve"
            )
        _delete(repository, lock, [ref.path for ref in plan.manifests])
        failpoint("backup_sweep")
        _delete(repository, lock, plan.objects)
        repository.store.clear_leftovers(older_than=now - max(grace, _UNFINISHED))
    return plan


def _delete(repository: BackupRepository, lock: Lock, names: Iterable[str]) -> None:
    for number, name in enumerate(names):
        if number % _AT_ONCE == 0:
            lock.require()  # a process that was stopped for too long must not delete under others
        repository.store.remove(name)


def _read(catalogue: Catalogue, ref: Ref) -> Manifest:
    try:
        return catalogue.read(ref)
    except IntegrityError as error:
        raise IntegrityError(
            f"nothing can be swept while a manifest is damaged, because it may need any object: {error}. Or move it"
            f" away by hand: {catalogue.repository.uri}/{ref.path}"
        ) from error
