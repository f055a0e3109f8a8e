"""Missing snapshots: there at the last check, missing now, and never forgotten.

The journal, which is stored elsewhere, remembers them: a deletion in the repository cannot be hidden.
"""

from collections.abc import Iterable
from datetime import datetime

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.place import Place
from almanac.errors import DataError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, SnapshotRecord


def vanished(place: Place, journal: Journal) -> list[Ref]:
    """Snapshots that the journal knows of this repository, and that have neither a manifest nor a tombstone there.

    Raises:
        TransientError: place or journal is unreachable.
    """
    catalogue = Catalogue(place)
    known = {Ref(one.subject, one.name) for one in journal.snapshots() if one.place == place.uri}
    if not known:
        return []
    explained = {*catalogue.refs(forgotten=True), *catalogue.buried()}
    return sorted(known - explained)


def look(place: Place, journal: Journal, run: RunRef) -> list[Ref]:
    """The same; what is there and new to the journal, copied by `replicate` or taken elsewhere, is remembered.

    Args:
        place: looked at.
        journal: remembers.
        run: the run of this check.

    Raises:
        TransientError: place or journal is unreachable.
    """
    catalogue = Catalogue(place)
    known = {(one.subject, one.name) for one in journal.snapshots() if one.place == place.uri}
    for ref in catalogue.refs():
        if (ref.subject, ref.name) not in known:
            journal.record_snapshot(_seen(place.uri, ref, _read(catalogue, ref), run))
    return vanished(place, journal)


def give_up(place: Place, journal: Journal, text: str, *, at: datetime, by: str, reason: str) -> Ref:
    """Write a tombstone for a snapshot that is gone, so that it is no longer reported.

    Args:
        place: where it was.
        journal: remembers it.
        text: the start of `subject@time`, as the alarm names it.
        at: the time.
        by: who knows.
        reason: what became of it.

    Raises:
        DataError: no missing snapshot matches, or more than one.
    """
    subject, _, time = text.partition("@")
    gone = vanished(place, journal)
    found = [ref for ref in gone if ref.subject == subject and ref.name.startswith(time.partition("-")[0])]
    if len(found) != 1:
        names = ", ".join(map(str, gone)) or "none"
        raise DataError(f"{place.uri}: {len(found)} missing snapshots match {text!r}; missing are: {names}")
    Catalogue(place).bury(found[0], at=at, by=by, reason=f"lost: {reason}")
    return found[0]


def in_words(refs: Iterable[Ref], limit: int = 10) -> str:
    """The first of them for people."""
    names = [str(ref) for ref in refs]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _read(catalogue: Catalogue, ref: Ref) -> Manifest | None:
    try:
        return catalogue.read(ref)
    except IntegrityError:
        return None  # it is there; that it is damaged, `verify` says


def _seen(place: str, ref: Ref, manifest: Manifest | None, run: RunRef) -> SnapshotRecord:
    files, size = (len(manifest.files), manifest.size) if manifest else (0, 0)
    return SnapshotRecord(place, ref.subject, ref.name, ref.created, files, size, 0, run)
