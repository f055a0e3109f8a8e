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
from almanac.backup.store.place import Place, prepare
from almanac.errors import ConfigError, TransientError
from almanac.failpoints import reached


@dataclass(frozen=True)
class Rotated:
    """One repository: the key that it had (empty: none yet), and how many manifests of retired keys stay valid."""

    uri: str
    before: str
    manifests: int


def is_pending(places: Sequence[Place]) -> bool:
    """Whether a rotation has begun and not come to its end: a repository still goes by one of our older keys."""
    return any(_in_force(place) in {key.name for key in place.older} for place in places)


def rotate(
    places: Sequence[Place], *, now: datetime, by: str, reason: str, without_old: bool = False
) -> list[Rotated]:  # fmt: skip
    """Make `key` of the repositories the one in force in each of them; `older` are those before it.

    Args:
        places: all repositories of the installation, so that a manifest which is replicated later is known in each.
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
    key = places[0].signing_key()
    with ExitStack() as held:
        for place in places:
            prepare(place.store)
            held.enter_context(locked(place.store, "exclusive", "rotation of the key"))
        rings = {place.uri: _ring(place, without_old=without_old) for place in places}
        retired = _retired(places, rings, key)
        done = []
        for place in places:
            before = _in_force(place)
            if before != key.name:
                _write(place, key, retired, before, now=now, by=by, reason=reason)
                done.append(Rotated(place.uri, before, sum(len(one.manifests) for one in retired)))
            reached("key_rotate")
        return done


def _write(
    place: Place, key: Key, retired: Sequence[Retired], before: str, *, now: datetime, by: str, reason: str
) -> None:  # fmt: skip
    found = newest_record(place.store)
    lost = [Retired(key=before)] if before and before not in {one.key for one in retired} else []
    record = KeyRecord(
        number=found[0].number + 1 if found else 1, key=key.name, since=now, by=by, reason=reason,
        retired=(*retired, *lost),
    )  # fmt: skip
    if not write_record(place.store, record, key):
        raise TransientError(f"{place.uri}: another process changed the key at the same time; see almanac key show")


def _ring(place: Place, *, without_old: bool) -> KeyRing:
    """The keys that a repository is read with.

    Raises:
        ConfigError: the one in force is not among those that were given.
    """
    before = _in_force(place)
    given = (place.signing_key(), *place.older)
    if before and before not in {key.name for key in given} and not without_old:
        raise ConfigError(
            f"{place.uri}: this repository has another key; got {', '.join(key.name for key in given)}, expected"
            f" {before}. Put that key behind the new one (ALMANAC_BACKUP_KEY='NEW OLD'), so that what it signed stays"
            " readable; if it is lost: --without-old"
        )
    return ring_of(place.store, place.signing_key(), place.older)


def _in_force(place: Place) -> str:
    """The name of the key that a repository goes by; empty where there is none yet."""
    found = newest_record(place.store)
    if found is not None:
        return found[0].key
    ring = ring_of(place.store, place.signing_key(), place.older)
    signers = signed_by(place.store, refs_of(place.store), ring)
    return next((name for _, name in signers), "")


def _retired(places: Sequence[Place], rings: dict[str, KeyRing], key: Key) -> list[Retired]:
    """Every key but the new one, with what it has signed in any of the repositories."""
    keys: dict[str, Key] = {}
    manifests: dict[str, set[str]] = {}
    for place in places:
        ring = rings[place.uri]
        keys |= {one.name: one for one in ring.keys if one.name != key.name}
        for one in ring.retired:
            manifests.setdefault(one.key.name, set()).update(one.manifests or ())
        for sha256, name in signed_by(place.store, refs_of(place.store), ring):
            manifests.setdefault(name, set()).add(sha256)
    return [
        Retired(key=name, sealed=seal(one, key), manifests=tuple(sorted(manifests.get(name, ()))))
        for name, one in sorted(keys.items())
    ]
