"""Who and what started this run, in the journal's words."""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Asset, get_current_context

from include.journal.records import RunRef


def current_run() -> RunRef:
    """The running task's run. Must be called from within a task."""
    context = get_current_context()
    dag_run = context["dag_run"]
    return RunRef(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=context["ti"].try_number,
        started_by=dag_run.triggering_user_name or "airflow",
        trigger=_trigger(context),
    )


def woken_by(asset: Asset) -> list[dict[str, Any]]:
    """The extras of the events of this asset that woke the run, oldest first; empty when it was not the asset."""
    events = get_current_context()["triggering_asset_events"].get(asset, [])
    return [dict(event.extra or {}) for event in sorted(events, key=lambda event: event.timestamp)]


def started_by_hand() -> bool:
    """Whether a person (or a client of the REST API) started the run."""
    return str(get_current_context()["dag_run"].run_type.value) == "manual"


def _trigger(context: Mapping[str, Any]) -> str:
    names = sorted(_names(context["triggering_asset_events"]))
    kind = str(context["dag_run"].run_type.value)
    return f"{kind}: {', '.join(names)}" if names else kind


def _names(events: Mapping[Any, Iterable[Any]]) -> set[str]:
    return {event.asset.name for group in events.values() for event in group}
