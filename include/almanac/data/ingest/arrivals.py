"""Which files in the landing area are new and complete enough to be taken."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.ingested_files import move_ingested
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival
from almanac.storage.listing import StoredFile, list_files

_CONFIRM = timedelta(milliseconds=500)  # between two listings that must agree, unless `settle` is shorter
_LISTINGS = 8  # however many files trickle in, a run starts; what is still arriving has its own event


@dataclass(frozen=True)
class FoundBatches:
    """Files to take now, in the order of their URIs, and how many are still arriving."""

    files: tuple[StoredFile, ...]
    unsettled: int

    def to_json(self) -> list[dict[str, str | int]]:
        """The files as plain JSON, for XCom."""
        return [file.to_json() for file in self.files]


def find_batches(
    model: Declared, home: Home, journal: Journal, *, now: datetime, wait: Callable[[float], None]
) -> FoundBatches:
    """List the files that nobody dealt with yet and that have settled.

    A file has settled when its size, time and e-tag are the same in two listings, and either its time is older than
    `source.settle` or it was watched, unchanged, for that long (so that a file with a time in the future settles
    too). While something is arriving this waits, at most twice `settle`, so that one event is enough.

    Args:
        model: whose landing area.
        home: where it is.
        journal: knows what was dealt with; a file that changed since is new.
        now: the time of the first listing.
        wait: waits for so many seconds.

    Raises:
        TransientError: the store or the journal is unreachable.
    """
    settle = model.source.settle
    first_seen: dict[StoredFile, tuple[int, timedelta]] = {}  # a file that changes is another key, and starts again
    waited = timedelta()
    for look in range(_LISTINGS):
        new, known = _listed(model, home, journal)
        first_seen = {file: first_seen.get(file, (look, waited)) for file in new}
        rest = {file: _rest(file, now + waited, waited - since, settle) for file, (_, since) in first_seen.items()}
        settled = tuple(file for file, (seen, _) in first_seen.items() if seen < look and rest[file] <= timedelta())
        pause = max(min(_CONFIRM, settle), *rest.values(), timedelta())
        if len(settled) == len(new) or waited + pause > 2 * settle + _CONFIRM:
            break
        wait(pause.total_seconds())
        waited += pause
    move_ingested(model, home, known, now=now)
    return FoundBatches(settled, len(new) - len(settled))


def files_left(model: Declared, home: Home, journal: Journal, now: datetime) -> list[str]:
    """The files that nobody dealt with although they have long settled, a line for each, sorted.

    A line is another one when other bytes come under the same name, and when `source.patience` is over, for which an
    ingest may have left the file.

    Raises:
        TransientError: the store or the journal is unreachable.
    """
    settled, patient = now - model.source.settle - _CONFIRM, now - model.source.patience
    return sorted(
        f"{file.uri} {file.size_bytes} {file.modified_at.isoformat()} {file.etag} {file.modified_at < patient}"
        for file in _listed(model, home, journal)[0]
        if file.modified_at <= settled
    )


def _rest(file: StoredFile, now: datetime, watched: timedelta, settle: timedelta) -> timedelta:
    """How long the file must still stay unchanged."""
    return settle - max(now - file.modified_at, watched)


def _listed(model: Declared, home: Home, journal: Journal) -> tuple[list[StoredFile], list[tuple[StoredFile, Arrival]]]:
    """The files in the landing area that are new, and those that are known, with their arrivals."""
    found = list_files(home.landing_of(model.name), model.source.patterns)
    arrivals = journal.arrivals(model.name, [file.uri for file in found])
    new, known = list[StoredFile](), list[tuple[StoredFile, Arrival]]()
    for file in found:
        seen = arrivals.get(file.uri)
        if seen is None or (seen.size_bytes, seen.modified_at, seen.etag) != (
            file.size_bytes,
            file.modified_at,
            file.etag,
        ):
            new.append(file)
        else:
            known.append((file, seen))
    return new, known
