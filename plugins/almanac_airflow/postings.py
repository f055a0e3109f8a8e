"""Posted events, read from Airflow's own rows: all of them, whichever triggered a run."""

from typing import TYPE_CHECKING, Any

from almanac.config.schema import Declared
from almanac_airflow import assets

if TYPE_CHECKING:
    from almanac.events.posted import Posting
    from almanac.journal.journal import Journal


def read_postings(model: Declared, trigger: str, journal: "Journal", events: Any) -> list["Posting"]:
    """The events of a trigger that may have no decision yet.

    Args:
        model: whose.
        trigger: its name.
        journal: knows how far was read.
        events: the `inlet_events` of a task that has the asset as inlet.

    Raises:
        TransientError: the journal is away.
    """
    from almanac.events.checking import PostedEvent
    from almanac.events.posted import Posting, look_from

    rows = events[assets.event(model, trigger)]
    since = look_from(journal, model.name, trigger)
    if since is not None:
        rows = rows.after(since.isoformat())
    return [Posting(row.id, row.timestamp, PostedEvent(trigger, _payload(row.extra))) for row in rows]


def _payload(extra: dict[str, Any] | None) -> dict[str, Any]:
    """What the caller sent: Airflow itself adds where it came from."""
    return {key: value for key, value in (extra or {}).items() if key != "from_rest_api"}
