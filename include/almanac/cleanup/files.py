"""Files that are old: landed ones, rejected ones, report pages, checkpoints of trainings that have ended."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from almanac.cleanup.backed_up import BackedUp
from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.ingest.ingested_files import landed_uri
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival, BatchState
from almanac.storage.listing import StoredFile, list_files

_SHORT = 12  # characters of a batch id that stand in a file's name
_HELD = (BatchState.PUBLISHED, BatchState.DUPLICATE)
Needs = Callable[[StoredFile], Iterable[str]]


def plan_files(kind: str, uri: str, patterns: Sequence[str], *, before: datetime, needs: Needs) -> ExpiryPlan:
    """The old files of a folder.

    Args:
        kind: as in the YAML.
        uri: the folder.
        patterns: which files.
        before: what is younger is not looked at.
        needs: why a file stays.

    Raises:
        TransientError: the store is unreachable.
    """
    found = list_files(uri, patterns)
    items = [
        Item(kind, file.name, file.size_bytes, file.modified_at, tuple(needs(file)), (file.uri,))
        for file in found
        if file.modified_at < before
    ]
    return ExpiryPlan(tuple(items), {kind: sum(file.size_bytes for file in found)})


def landing_needs(model: Model, home: Home, journal: Journal, held: Collection[str], known: BackedUp) -> Needs:
    """A landed file, moved or not, may go when its batch has ended, and the dataset or the quarantine holds it.

    Args:
        model: whose.
        home: where.
        journal: knows how batches ended.
        held: ids of the batches that the dataset holds.
        known: what is in a snapshot, where landed files are.
    """
    arrivals = journal.arrivals(model.name)
    root = home.landing_of(model.name)
    kept = {file.name[:_SHORT] for file in list_files(home.quarantined_files_of(model.name), ["*"])}

    def needs(file: StoredFile) -> Iterable[str]:
        if file.uri.startswith(f"{home.ingested_of(model.name)}/"):
            return _ingested_needs(file, arrivals.get(landed_uri(home, model.name, file.uri)))
        seen = arrivals.get(file.uri)
        if seen is None or not _is_same(seen, file) or not seen.state:
            return ["not processed yet"]
        if seen.state == BatchState.REJECTED:
            return [] if seen.batch_id[:_SHORT] in kept else ["rejected, and not kept in quarantine"]
        if seen.state in _HELD and seen.batch_id not in held:
            return ["the dataset does not hold its rows"]
        path = f"landing/{file.uri.removeprefix(root).lstrip('/')}"
        return known.need([(path, file.size_bytes)]) if model.backup.landing else ()

    def _ingested_needs(file: StoredFile, seen: Arrival | None) -> Iterable[str]:
        """Only what was ingested has moved; the journal may have forgotten its arrival."""
        if seen is not None and seen.state in _HELD and seen.batch_id not in held:
            return ["the dataset does not hold its rows"]
        path = f"ingested/{file.uri.removeprefix(home.ingested_of(model.name)).lstrip('/')}"
        return known.need([(path, file.size_bytes)]) if model.backup.landing else ()

    return needs


def report_needs(uri: str, *, quarantined: Collection[str], linked: Collection[str], known: BackedUp) -> Needs:
    """A page may go when no alarm that lasts names it, and no row of its batch waits for a person.

    Args:
        uri: the folder of the pages.
        quarantined: beginnings of the ids of batches with rows in quarantine.
        linked: pages that lasting conditions name.
        known: what is in a snapshot.
    """
    pages = [file for file in list_files(uri, ["*.html"]) if not _is_of_a_batch(file)]
    newest = {_kind(file): file.uri for file in sorted(pages, key=lambda file: file.modified_at)}

    def needs(file: StoredFile) -> Iterable[str]:
        if file.name[:_SHORT] in quarantined:
            yield "rows of its batch are in quarantine"
        if any(file.name in link for link in linked):
            yield "an open alarm refers to it"
        if file.uri == newest.get(_kind(file)):
            yield "the newest of its kind"
        yield from known.need([(f"reports/{file.name}", file.size_bytes)])

    return needs


def plan_checkpoints(folder: Path, *, before: datetime) -> ExpiryPlan:
    """Whole runs whose newest checkpoint is old; a training that goes on writes new ones."""
    items, total = [], 0
    for run in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = list_files(str(run), ["*"])
        size = sum(file.size_bytes for file in files)
        total += size
        newest = max((file.modified_at for file in files), default=None)
        if newest is not None and newest < before:
            items.append(Item("checkpoints", run.name, size, newest, (), tuple(file.uri for file in files)))
    return ExpiryPlan(tuple(items), {"checkpoints": total})


def _is_same(seen: Arrival, file: StoredFile) -> bool:
    return (seen.size_bytes, seen.modified_at, seen.etag) == (file.size_bytes, file.modified_at, file.etag)


def _is_of_a_batch(file: StoredFile) -> bool:
    return all(letter in "0123456789abcdef" for letter in file.name[:_SHORT])


def _kind(file: StoredFile) -> str:
    return file.name.partition("_")[0]
