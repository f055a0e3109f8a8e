"""Gives repositories a new key, with which alone all stays readable that the keys before it have written.

If the process is interrupted, the next call continues: a repository either has the new record or has not.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from almanac.backup.store.key_records import (
    KeyRecord,
    Retired,
    newest_record,
    refs_of,
    ring_of,
    seal,
    signed_by,
    write_record,
)
from almanac.backup.store.keys import Key, KeyRing
from almanac.backup.store.locks import locked
from almanac.backup.store.repository import BackupRepository, prepare
from almanac.errors import ConfigError, TransientError
from almanac.failpoints import failpoint


@dataclass(frozen=True)
class Rotated:
    """One repository: the key that it had (empty: none yet), and how many manifests of retired keys stay valid."""

    uri: str
    before: str
    manifests: int


def is_pending(repositories: Sequence[BackupRepository]) -> bool:
    """Whether a rotation has begun and not come to its end: a repository still goes by one of our older keys."""
    return any(_in_force(repository) in {key.name for key in repository.older} for repository in repositories)


def rotate(
    repositories: Sequence[BackupRepository], *, now: datetime, by: str, reason: str, without_old: bool = False
) -> list[Rotated]:
    """Make `key` of the repositories the one in force in each of them; `older` are those before it.

    Args:
        repositories: all repositories of the installation, so that a manifest which is replicated later is known in
            each.
        now: the time of the records.
        by: the person or command.
        reason: why.
        without_old: the old key is lost. What it has signed can be read with --unsigned only from now on, and what it
            has encrypted not at all.

    Raises:
        ConfigError: a repository goes by a key that was not given.
        IntegrityError: a record is damaged.
        TransientError: a repository is away or in use; nothing is changed in it, and the next call continues.
    """
    key = repositories[0].signing_key()
    with ExitStack() as held:
        for repository in repositories:
            prepare(repository.store)
            held.enter_context(locked(repository.store, "exclusive", "rotation of the key"))
        key_rings = {repository.uri: _key_ring(repository, without_old=without_old) for repository in repositories}
        retired = _retired(repositories, key_rings, key)
        done = []
        for repository in repositories:
            before = _in_force(repository)
            if before != key.name:
                _write(repository, key, retired, before, now=now, by=by, reason=reason)
                done.append(Rotated(repository.uri, before, sum(len(one.manifests) for one in retired)))
            failpoint("key_rotate")
        return done


def _write(
    repository: BackupRepository,
    key: Key,
    retired: Sequence[Retired],
    before: str,
    *,
    now: datetime,
    by: str,
    reason: str,
) -> None:
    found = newest_record(repository.store)
    lost = [Retired(key=before)] if before and before not in {one.key for one in retired} else []
    record = KeyRecord(
        number=found[0].number + 1 if found else 1,
        key=key.name,
        since=now,
        by=by,
        reason=reason,
        retired=(*retired, *lost),
    )
    if not write_record(repository.store, record, key):
        raise TransientError(
            f"{repository.uri}: another process changed the key at the same time; see almanac key show"
        )


def _key_ring(repository: BackupRepository, *, without_old: bool) -> KeyRing:
    """The keys that a repository is read with.

    Raises:
        ConfigError: the one in force is not among those that were given.
    """
    before = _in_force(repository)
    given = (repository.signing_key(), *repository.older)
    if before and before not in {key.name for key in given} and not without_old:
        raise ConfigError(
            f"{repository.uri}: this repository has another key; got {', '.join(key.name for key in given)}, expected"
            f" {before}. Put that key behind the new one (ALMANAC_BACKUP_KEY='NEW OLD'), so that what it signed stays"
            " readable; if it is lost: --without-old"
        )
    return ring_of(repository.store, repository.signing_key(), repository.older)


def _in_force(repository: BackupRepository) -> str:
    """The name of the key that a repository goes by; empty where there is none yet."""
    found = newest_record(repository.store)
    if found is not None:
        return found[0].key
    key_ring = ring_of(repository.store, repository.signing_key(), repository.older)
    signers = signed_by(repository.store, refs_of(repository.store), key_ring)
    return next((name for _, name in signers), "")


def _retired(repositories: Sequence[BackupRepository], key_rings: dict[str, KeyRing], key: Key) -> list[Retired]:
    """Every key but the new one, with what it has signed in any of the repositories."""
    keys: dict[str, Key] = {}
    manifests: dict[str, set[str]] = {}
    for repository in repositories:
        key_ring = key_rings[repository.uri]
        keys |= {one.name: one for one in key_ring.keys if one.name != key.name}
        for one in key_ring.retired:
            manifests.setdefault(one.key.name, set()).update(one.manifests or ())
        for sha256, name in signed_by(repository.store, refs_of(repository.store), key_ring):
            manifests.setdefault(name, set()).add(sha256)
    return [
        Retired(key=name, sealed=seal(one, key), manifests=tuple(sorted(manifests.get(name, ()))))
        for name, one in sorted(keys.items())
    ]
