"""What the events of an asset have named so far: Airflow's own table remembers which were emitted."""

from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Model

_LOOK_BACK = 100  # events that people post by hand name no version


def unannounced(model: Model, home: Home, events: Any) -> dict[str, Any] | None:
    """What was published and no event of the dataset has named yet, as the next one will say it; None: nothing."""
    from almanac.data.ingest.announcement import find_unannounced
    from almanac.journal.journal import Journal

    news = find_unannounced(model, home, Journal(home.journal_url), announced_version(events))
    return None if news is None else news.to_json()


def announced_version(events: Any) -> int | None:
    """The dataset version that the last event named; None: none of them did.

    Args:
        events: `inlet_events[asset]` of a task that has the asset as inlet.
    """
    for event in events.ascending(False).limit(_LOOK_BACK):
        version = (event.extra or {}).get("dataset_version")
        if isinstance(version, int):
            return version
    return None
