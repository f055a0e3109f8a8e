"""What the events of a dataset's asset have announced so far: Airflow's own table remembers those that were emitted."""

from typing import TYPE_CHECKING, Any

from almanac.config.schema import Declared

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext

_LOOK_BACK = 100  # events that people post by hand name no version


def unannounced(context: "RunContext", model: Declared, events: Any) -> dict[str, Any] | None:
    """What was published and no event of the dataset has announced yet, as the next one will say it; None: nothing.

    Args:
        context: of the running task.
        model: whose dataset.
        events: `inlet_events[asset]` of a task that has the dataset as inlet.
    """
    from almanac.data.ingest.announcement import find_unannounced

    news = find_unannounced(model, context.home, context.journal, announced_version(events))
    return None if news is None else news.to_json()


def announced_version(events: Any) -> int | None:
    """The dataset version that the last event named; None: none of them did."""
    for event in events.ascending(False).limit(_LOOK_BACK):
        version = (event.extra or {}).get("dataset_version")
        if isinstance(version, int):
            return version
    return None
