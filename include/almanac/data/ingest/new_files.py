"""Which settled files a sensor has not reported yet. The journal remembers, so that none is reported twice."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.arrivals import find_batches
from almanac.errors import ConfigError
from almanac.journal.exclusive import exclusive
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark
from almanac.storage.listing import StoredFile, list_files

_WAIT_S = 30.0  # for another process to write the same mark
_SHORT = 16


@dataclass(frozen=True)
class Enough:
    """When a sensor reports: enough files, or one that has waited for long enough.

    Attributes:
        files: at least so many.
        age: or one of them was written so long ago; None: their age does not count.

    Raises:
        ConfigError: no number of files, or no time.
    """

    files: int = 1
    age: timedelta | None = None

    def __post_init__(self) -> None:
        if self.files < 1 or (self.age is not None and self.age <= timedelta()):
            raise ConfigError(f"a sensor waits for at least 1 file, or an age above 0; got {self.files}, {self.age}")

    def is_met(self, files: Sequence[StoredFile], now: datetime) -> bool:
        """Whether these files are enough; no files never are."""
        old = self.age is not None and any(now - file.modified_at >= self.age for file in files)
        return bool(files) and (old or len(files) >= self.files)

    def wait(self, files: Sequence[StoredFile], now: datetime) -> timedelta | None:
        """How long it takes until the oldest of these files is old enough; None: their age does not count."""
        if self.age is None or not files:
            return None
        return max(self.age - (now - min(file.modified_at for file in files)), timedelta())


@dataclass(frozen=True)
class NewFiles:
    """What one look at the landing area gave.

    Attributes:
        files: reported now; empty: there are not enough yet.
        waiting: settled files that are not reported, because they are not enough.
        unsettled: how many are still arriving.
        wait: how long until the oldest of `waiting` is old enough.
    """

    files: tuple[StoredFile, ...] = ()
    waiting: tuple[StoredFile, ...] = ()
    unsettled: int = 0
    wait: timedelta | None = None


def claim_new_files(
    model: Declared,
    home: Home,
    journal: Journal,
    *,
    sensor: str,
    run: RunRef,
    now: datetime,
    enough: Enough,
    wait: Callable[[float], None],
) -> NewFiles:
    """The settled files that no ingest has recorded, and that no other run of this sensor has reported.

    They are this run's from then on: a retry of the same run gets them again, another run never does. A file that is
    written again is new.

    Args:
        model: whose landing area.
        home: where it is.
        journal: knows what was ingested and what was reported.
        sensor: tells sensors apart: each reports every file once.
        run: the run that asks.
        now: the time of the first listing.
        enough: when to report.
        wait: waits for so many seconds.

    Raises:
        TransientError: the store or the journal is unreachable; nothing was claimed.
    """
    found = find_batches(model, home, journal, now=now, wait=wait)
    name = f"reported by {_hash(sensor)}"
    with exclusive(home.journal_url, f"sensor_{_hash(sensor)}", wait_s=_WAIT_S):
        mark = journal.watermark(model.name, name)
        known: dict[str, Any] = json.loads(mark.value) if mark else {}
        new = tuple(file for file in found.files if known.get(file.uri, [""])[0] != _version(file))
        own = tuple(file for file in found.files if known.get(file.uri) == [_version(file), run.dag_id, run.run_id])
        if not own and not enough.is_met(new, now):
            return NewFiles((), new, found.unsettled, enough.wait(new, now))
        taken = own or new
        kept = _still_there(known, found.files) if not found.unsettled else known
        value = {**kept, **{file.uri: [_version(file), run.dag_id, run.run_id] for file in taken}}
        journal.record_watermark(Watermark(model.name, name, json.dumps(value, sort_keys=True), now, run))
    return NewFiles(taken, unsettled=found.unsettled)


def landing_digest(files: Collection[tuple[str, int, float, str]]) -> str:
    """One text for a listing: (path, size in bytes, time of change in epoch seconds, e-tag) of each file."""
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()[:_SHORT]


def listed(home: Home, model: Declared) -> list[tuple[str, int, float, str]]:
    """The files of a landing area, as `landing_digest` takes them.

    Raises:
        TransientError: the store is unreachable.
    """
    root = home.landing_of(model.name)
    return [facts_of(file, root) for file in list_files(root, model.source.patterns)]


def facts_of(file: StoredFile, root: str) -> tuple[str, int, float, str]:
    """Path below the root, size in bytes, time of change in epoch seconds, and e-tag of a file."""
    path = file.uri.removeprefix(root.rstrip("/")).lstrip("/")
    return path, file.size_bytes, file.modified_at.timestamp(), file.etag


def _still_there(known: Mapping[str, Any], files: Sequence[StoredFile]) -> dict[str, Any]:
    """What is ingested, or gone, need not be remembered here: the journal's arrivals do."""
    there = {file.uri for file in files}
    return {uri: value for uri, value in known.items() if uri in there}


def _version(file: StoredFile) -> str:
    return f"{file.size_bytes} {file.modified_at.isoformat()} {file.etag}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_SHORT]
