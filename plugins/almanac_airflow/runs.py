"""What a task reads of its run: who and what started it, and its form. All of it must be called from within a task."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action
from almanac.config.sections.pipelines import schedule_names
from almanac.errors import ConfigError
from almanac.journal.records import Decision, RunRef
from almanac_airflow import assets

if TYPE_CHECKING:
    from almanac.monitoring.execute_actions import RequestedAction
    from almanac.registry.run_context import RunContext
    from almanac.training.policy import Trigger
    from almanac_airflow.events import TriggeringEvents


def run_context(home: Home, context: Mapping[str, Any] | None = None) -> "RunContext":
    """What the running task works with: make it once, first of all, and hand it on.

    Args:
        home: the installation.
        context: Airflow's, as an operator gets it; None: that of the running task.
    """
    from almanac.journal.journal import Journal
    from almanac.registry.run_context import RunContext

    run = current_run() if context is None else run_of(context)
    return RunContext(home, Journal(home.journal_url), run, now(), clock=now)


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def current_run() -> RunRef:
    """The running task's run."""
    return run_of(get_current_context())


def run_of(context: Mapping[str, Any]) -> RunRef:
    """The run of a task, as the journal names it, from Airflow's context."""
    dag_run = context["dag_run"]
    return RunRef(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=context["ti"].try_number,
        started_by=dag_run.triggering_user_name or "airflow",
        trigger=_trigger(context),
    )


def link() -> str:
    """The URL of the running task in Airflow."""
    return str(getattr(get_current_context()["ti"], "log_url", ""))


def started_by_hand() -> str:
    """The name of who started this run by hand; empty: nobody did, or Airflow does not say who.

    A backfill carries a name, too, but nobody looked at each of its runs.
    """
    dag_run = get_current_context()["dag_run"]
    return str(dag_run.triggering_user_name or "") if str(dag_run.run_type.value) == "manual" else ""


def is_swept() -> bool:
    """Whether the sweep started the running task's run; such a run looks again whether anything is left to do."""
    dag_run = get_current_context()["dag_run"]
    return str(dag_run.run_type.value) == "operator_triggered" and dag_run.run_id.startswith("sweep__")


def training_trigger(model: Model, events: "TriggeringEvents", reason: str | None) -> "tuple[Trigger, str]":
    """What triggered a training, and why: a request or a change before new data, when both did.

    Args:
        model: whose training.
        events: those that count.
        reason: what a person gave as reason, or nothing.
    """
    asking: dict[str, Trigger] = {
        assets.retrain_request(model).name: "retrain_request",
        assets.change(model).name: "change",
    }
    for name, trigger in asking.items():
        if name in events.reasons:
            return trigger, events.reasons[name]
    ticks = {assets.trigger(model, name).name for name in schedule_names(model)}
    if events.names:
        why = reason or f"triggered by {', '.join(sorted(events.names))}"
        return ("new_data" if events.names - ticks else "schedule"), why
    if str(get_current_context()["dag_run"].run_type.value) == "scheduled":
        return "schedule", reason or "the schedule"
    return "manual", reason or "started by hand, without a reason"


def requested_action(context: "RunContext", model: Model, action: Action, *, as_answered: bool) -> "RequestedAction":
    """What the monitor, or a person whom it asked, wants of this run, by the journal.

    Raises:
        AirflowSkipException: nobody wants it.
    """
    from almanac.monitoring.execute_actions import find_requested

    found = find_requested(context, model, action, as_answered=as_answered)
    if isinstance(found, str):
        raise AirflowSkipException(found)
    return found


def decision_xcom(decision: Decision) -> dict[str, Any]:
    """A decision as it stands in XCom."""
    return {
        "accepted": decision.accepted,
        "reasons": list(decision.reasons),
        "figures": decision.figures,
        "ask": list(decision.ask),
    }


def partition_key() -> str | None:
    """The partition of the running task's run; None when it has none."""
    return get_current_context()["dag_run"].partition_key


def version_param(context: "RunContext", model: Model, version: str | None, reason: str | None) -> tuple[str, str]:
    """The version that a person names, with the reason; or the one that has passed in shadow, without one.

    Whatever an event says: the journal's newest verdict names the version.

    Raises:
        ConfigError: a person gave only one of the two, or neither.
        AirflowSkipException: an event triggered the run, but no verdict waits for a proposal.
    """
    from almanac.events.claims import record_refusal, shadow_verdict

    if version and reason:
        return version, reason
    if version or reason or not (is_swept() or _names(get_current_context()["triggering_asset_events"])):
        raise ConfigError(f"version and reason: give both; got version {version!r} and reason {reason!r}")
    verdict = shadow_verdict(context.journal, model, context.run)
    if verdict is None:
        why = "the journal has no version that has passed in shadow and was not proposed yet"
        raise AirflowSkipException(record_refusal(context, model.name, assets.shadow(model).name, why))
    return verdict.subject.rpartition("@")[2], ""


def range_param(model: Model, since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The range of event time that a person gave, or else that of the window that triggered the run, or none.

    Raises:
        ConfigError: a time has no offset, or the partition is no window of the model.
    """
    from almanac.windows.closing import window_of_run

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
    """Read a time that a person typed, or a template gave.

    Raises:
        ConfigError: it is none, or has no offset.
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"not a time; got {text!r}, expected for example '2024-01-01T00:00:00Z'") from error
    if time.tzinfo is None:
        raise ConfigError(f"a time without an offset; got {text!r}, expected for example '2024-01-01T00:00:00Z'")
    return time


def number_param(name: str, value: str | int | None) -> int | None:
    """Read a whole number; a template gives it as text.

    Raises:
        ConfigError: it is none.
    """
    if value is None or value == "":
        return None
    try:
        return int(value)
    except ValueError as error:
        raise ConfigError(f"{name}: got {value!r}, expected a whole number") from error


def _trigger(context: Mapping[str, Any]) -> str:
    names = sorted(_names(context["triggering_asset_events"]))
    kind = str(context["dag_run"].run_type.value)
    return f"{kind}: {', '.join(names)}" if names else kind


def _names(events: Mapping[Any, Iterable[Any]]) -> set[str]:
    return {event.asset.name for group in events.values() for event in group}
