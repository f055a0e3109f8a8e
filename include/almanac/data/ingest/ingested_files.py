"""Moves landed files that were ingested some time ago out of the folders that are listed again and again.

What was ingested is known by its bytes, in the dataset's log, and by its arrival in the journal: where the file is
decides nothing. A process that dies before or while it moves one leaves a known file in the landing area, which the
next run moves.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.errors import AlmanacError
from almanac.journal.records import Arrival, BatchState
from almanac.storage.files import exists
from almanac.storage.listing import StoredFile, list_files, move_unchanged

log = logging.getLogger(__name__)

# A rejected file is kept in quarantine, or was too large for that and waits where it landed.
_ENDED = (BatchState.PUBLISHED, BatchState.DUPLICATE, BatchState.EMPTY, BatchState.UNCHANGED)


def move_ingested(
    model: Declared, home: Home, known: Iterable[tuple[StoredFile, Arrival]], *, now: datetime
) -> list[StoredFile]:
    """Move the files that have been unchanged for `source.done_after`, and return them.

    A store that refuses stops it with a warning: the files are listed again, and nothing else depends on it.

    Args:
        model: whose files.
        home: where they are.
        known: files as they were listed, each with the arrival of exactly these bytes.
        now: aware.
    """
    after, moved = model.source.done_after, list[StoredFile]()
    if after is None:
        return moved
    try:
        for file, arrival in known:
            if arrival.state in _ENDED and now - file.modified_at >= after:
                target = _ingested_uri(home, model.name, file.uri)
                if move_unchanged(file, home.landing_of(model.name), target, home.landing):
                    moved.append(file)
    except AlmanacError as error:
        log.warning("%s: ingested files stay in the landing area: %s", model.name, error)
    return moved


def put_back(home: Home, model: str, uris: Iterable[str]) -> list[str]:
    """Put files that were moved where they had landed, to be ingested again; which those are. A newer file stays.

    Args:
        home: where they are.
        model: whose.
        uris: where they had landed.

    Raises:
        TransientError: the store is unreachable.
    """
    root, ingested = home.landing_of(model), home.ingested_of(model)
    wanted = {_ingested_uri(home, model, uri): uri for uri in uris if uri.startswith(f"{root}/")}
    depth = max((uri.removeprefix(ingested).count("/") for uri in wanted), default=0)
    back = []
    for file in list_files(ingested, ["/".join(["*"] * parts) for parts in range(1, depth + 1)]) if depth else ():
        uri = wanted.get(file.uri)
        if uri is not None and not exists(uri) and move_unchanged(file, ingested, uri, home.landing):
            back.append(uri)
    return back


def landed_uri(home: Home, model: str, uri: str) -> str:
    """Where a file had landed that was moved."""
    return f"{home.landing_of(model)}{uri.removeprefix(home.ingested_of(model))}"


def _ingested_uri(home: Home, model: str, uri: str) -> str:
    return f"{home.ingested_of(model)}{uri.removeprefix(home.landing_of(model))}"
