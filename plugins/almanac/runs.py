"""Who and what started this run, in the journal's words. All of it must be called from within a task."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from almanac import assets
from include.config.pipelines import clocked
from include.config.schema import Model
from include.errors import ConfigError
from include.journal.records import Decision, RunRef
from include.training.policy import Trigger


def now() -> datetime:
    """The time of the clock, in UTC."""
    return datetime.now(UTC)


def current_run() -> RunRef:
    """The running task's run."""
    context = get_current_context()
    dag_run = context["dag_run"]
    return RunRef(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=context["ti"].try_number,
        started_by=dag_run.triggering_user_name or "airflow",
        trigger=_trigger(context),
    )


def link() -> str:
    """Where people find the running task in Airflow."""
    return str(getattr(get_current_context()["ti"], "log_url", ""))


def training_trigger(model: Model, reason: str | None) -> tuple[Trigger, str]:
    """What woke a training, and why: a request or a change before new data, when both did.

    Args:
        model: whose training.
        reason: what a person gave as reason, or nothing.
    """
    context = get_current_context()
    events = context["triggering_asset_events"]
    names = _names(events)
    asking: dict[str, Trigger] = {
        assets.retrain_request(model).name: "retrain_request",
        assets.change(model).name: "change",
    }
    for name, trigger in asking.items():
        if name in names:
            asked = [event for group in events.values() for event in group if event.asset.name == name]
            said = [str((event.extra or {}).get("reason", "")) for event in asked]
            return trigger, "; ".join(filter(None, said)) or f"woken by {name}, without a reason"
    clocks = {assets.trigger(model, name).name for name in clocked(model)}
    if names - clocks:
        return "new_data", reason or f"woken by {', '.join(sorted(names))}"
    if names:
        return "schedule", reason or f"woken by {', '.join(sorted(names))}"
    if str(context["dag_run"].run_type.value) == "scheduled":
        return "schedule", reason or "the schedule"
    return "manual", reason or "started by hand, without a reason"


def reasons_to(action: str, result: Mapping[str, Any]) -> list[str]:
    """Why the monitor, or a person whom it asked, wants an action.

    Raises:
        AirflowSkipException: nobody wants it.
    """
    if action not in result["acts"]:
        raise AirflowSkipException(f"nothing asks for it: {result['reason']}")
    return list(result["acts"][action])


def told(decision: Decision) -> dict[str, Any]:
    """A decision as an XCom shows it."""
    said = {"accepted": decision.accepted, "reasons": list(decision.reasons), "figures": decision.figures}
    return {**said, "ask": list(decision.ask)}


def partition_key() -> str | None:
    """The partition that the running task's run is for; None when it is for none."""
    return get_current_context()["dag_run"].partition_key


def version_param(version: str | None, reason: str | None) -> tuple[str, str]:
    """The version that a person names, with the reason; or the one that the shadow's bell names, without one.

    Raises:
        ConfigError: a person gave only one of the two, or neither.
    """
    events = [event for group in get_current_context()["triggering_asset_events"].values() for event in group]
    if version and reason:
        return version, reason
    if version or reason or not events:
        raise ConfigError(f"version and reason: give both; got version {version!r} and reason {reason!r}")
    return str((events[-1].extra or {})["version"]), ""


def range_param(model: Model, since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The range of event time that a person gave, or else that of the window that woke the run, or none.

    Raises:
        ConfigError: a time has no offset, or the partition is no window of the model.
    """
    from include.windows.closing import window_of_run

    key = partition_key()
    if key and not since and not until:
        window = window_of_run(model, key)
        return window.start, window.end
    return time_param(since), time_param(until)


def chosen_files(found: list[dict[str, Any]], globs: list[str] | None) -> list[dict[str, Any]]:
    """The files whose names a person chose; all of them without a choice."""
    if not globs:
        return found
    return [file for file in found if any(fnmatchcase(PurePosixPath(file["uri"]).name, glob) for glob in globs)]


def time_param(text: str | None) -> datetime | None:
    """Read a time that a person typed.

    Raises:
        ConfigError: it has no offset.
    """
    if not text:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ConfigError(f"a time without an offset; got {text!r}, expected for example '2024-01-01T00:00:00Z'")
    return time


def _trigger(context: Mapping[str, Any]) -> str:
    names = sorted(_names(context["triggering_asset_events"]))
    kind = str(context["dag_run"].run_type.value)
    return f"{kind}: {', '.join(names)}" if names else kind


def _names(events: Mapping[Any, Iterable[Any]]) -> set[str]:
    return {event.asset.name for group in events.values() for event in group}
