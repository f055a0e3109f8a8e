"""Lets what a source gives land, and remembers how far it was read."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.owner import require_owner
from almanac.data.sources.port import SourceReader
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark
from almanac.storage.files import write_bytes
from almanac.storage.listing import list_files


@dataclass(frozen=True)
class FetchSummary:
    """What one fetch did. `known` counts the pieces that lay in the landing area already, byte for byte."""

    landed: tuple[str, ...]
    known: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON, for XCom."""
        return {**asdict(self), "landed": list(self.landed)}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ignore(step: str) -> None:
    """Do nothing when a step is reached."""


def fetch(
    model: Declared,
    reader: SourceReader,
    home: Home,
    journal: Journal,
    run: RunRef,
    *,
    clock: Callable[[], datetime] = _utc_now,
    on_step: Callable[[str], None] = _ignore,
) -> FetchSummary:
    """Fetch what is new and let it land; `find_batches` then takes it like any other file.

    The files are called `fetched_<time>_<number>_<hash>.csv`: files are taken in the order of their names, and where
    corrections replace, what was fetched later must come later.

    A piece's bookmark is written only after the piece has landed. Killed in between, the next fetch gives the same
    rows again: the same bytes are the same file, and rows that the dataset holds already drop out when they are
    published. So nothing is lost and nothing doubled.

    Args:
        model: whose source.
        reader: the source.
        home: where the landing area is.
        journal: keeps the bookmark.
        run: the run that fetches.
        clock: for the bookmark's time.
        on_step: called with `landed` and `bookmarked` each time such a step is done.

    Raises:
        ConfigError: address, credentials or query are wrong, or the dataset is another model's.
        DataError: the answer is not what was declared; what had come before it has landed.
        TransientError: the source, the store or the journal is unreachable.
    """
    require_owner(model)
    mark = journal.watermark(model.name, reader.name)
    root = home.landing_of(model.name)
    lie_there = {file.name.rsplit("_", 1)[-1] for file in list_files(root, ["fetched_*_*.csv"])}
    began, landed, known, rows = clock(), list[str](), 0, 0
    for number, piece in enumerate(reader.fetch(None if mark is None else mark.value), start=1):
        ending = f"{hashlib.sha256(piece.content).hexdigest()[:16]}.csv"
        if ending in lie_there:
            known += 1
        else:
            uri = f"{root}/fetched_{began:%Y%m%dT%H%M%SZ}_{number:06}_{ending}"
            write_bytes(uri, piece.content)
            lie_there.add(ending)
            landed.append(uri)
            rows += piece.rows or 0
        on_step("landed")
        if piece.bookmark is not None:
            journal.record_watermark(Watermark(model.name, reader.name, piece.bookmark, clock(), run))
            on_step("bookmarked")
    return FetchSummary(tuple(landed), known, rows)


def bookmark_name(kind: str, *declared: object) -> str:
    """The name of a bookmark: it changes with what is declared, so that another query starts from its beginning."""
    return f"{kind} {hashlib.sha256(repr(declared).encode()).hexdigest()[:16]}"
