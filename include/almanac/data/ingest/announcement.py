"""Published batches that are not announced yet: the dataset's event is emitted for these."""

from dataclasses import asdict, dataclass
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.journal import publications
from almanac.journal.journal import Journal


@dataclass(frozen=True)
class Announcement:
    """What the event of the dataset says; the window spans the new batches, its end exclusive."""

    model: str
    dataset_uri: str
    dataset_version: int
    published_batches: int
    published_rows: int
    quarantined_rows: int
    window_start: str | None
    window_end: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


def find_unannounced(model: Declared, home: Home, journal: Journal, announced: int | None) -> Announcement | None:
    """Say what was published since the last event, by any run; None: nothing.

    The next run announces what a run published that failed later, or was killed before it could emit the event.

    Args:
        model: whose dataset.
        home: where it is.
        journal: knows what was published.
        announced: the dataset version that the last event named; None: there was none.

    Raises:
        TransientError: the journal is unreachable.
    """
    newest = publications.newest_version(journal, model.name)
    if newest is None or newest == announced:
        return None
    # a dataset that was created again counts from 0 again
    after = announced if announced is not None and announced < newest else -1
    new = publications.published_after(journal, model.name, after)
    starts = [one.window_start for one in new if one.window_start is not None]
    ends = [one.window_end for one in new if one.window_end is not None]
    return Announcement(
        model=model.name,
        dataset_uri=home.dataset_of(model.name),
        dataset_version=newest,
        published_batches=len(new),
        published_rows=sum(one.rows_published for one in new),
        quarantined_rows=sum(one.rows_quarantined for one in new),
        window_start=min(starts).isoformat() if starts else None,
        window_end=max(ends).isoformat() if ends else None,
    )
