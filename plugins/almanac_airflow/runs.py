"""Who and what started this run, in the journal's words. All of it must be called from within a task."""

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
from almanac.config.sections.pipelines import clocked
from almanac.errors import ConfigError
from almanac.journal.records import Decision, RunRef
from almanac.training.policy import Trigger
from almanac_airflow import assets

if TYPE_CHECKING:
    from almanac.journal.journal import Journal
    from almanac.monitoring.carry_out import Wanted
    from almanac_airflow.events import Woken


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


def started_by_hand() -> str:
    """The name of who started this run by hand; empty: nobody did, or Airflow does not say who.

    A backfill carries a name, too, but nobody looked at each of its runs.
    """
    dag_run = get_current_context()["dag_run"]
    return str(dag_run.triggering_user_name or "") if str(dag_run.run_type.value) == "manual" else ""


def is_swept() -> bool:
    """Whether the running task's run was started by the sweep; it looks again whether anything is left to do."""
    dag_run = get_current_context()["dag_run"]
    return str(dag_run.run_type.value) == "operator_triggered" and dag_run.run_id.startswith("sweep__")


def training_trigger(model: Model, woken: "Woken", reason: str | None) -> tuple[Trigger, str]:
    """What woke a training, and why: a request or a change before new data, when both did.

    Args:
        model: whose training.
        woken: the events that count.
        reason: what a person gave as reason, or nothing.
    """
    asking: dict[str, Trigger] = {
        assets.retrain_request(model).name: "retrain_request",
        assets.change(model).name: "change",
    }
    for name, trigger in asking.items():
        if name in woken.reasons:
            return trigger, woken.reasons[name]
    clocks = {assets.trigger(model, name).name for name in clocked(model)}
    if woken.names - clocks:
        return "new_data", reason or f"woken by {', '.join(sorted(woken.names))}"
    if woken.names:
        return "schedule", reason or f"woken by {', '.join(sorted(woken.names))}"
    if str(get_current_context()["dag_run"].run_type.value) == "scheduled":
        return "schedule", reason or "the schedule"
    return "manual", reason or "started by hand, without a reason"


def wanted(model: Model, home: Home, action: Action, *, as_answered: bool) -> "Wanted":
    """What the monitor, or a person whom it asked, wants of this run, by the journal.

    Raises:
        AirflowSkipException: nobody wants it.
    """
    from almanac.journal.journal import Journal
    from almanac.monitoring.carry_out import find_wanted

    journal = Journal(home.journal_url)
    found = find_wanted(model, home, journal, action, run=current_run(), as_answered=as_answered)
    if isinstance(found, str):
        raise AirflowSkipException(found)
    return found


def told(decision: Decision) -> dict[str, Any]:
    """A decision as an XCom shows it."""
    said = {"accepted": decision.accepted, "reasons": list(decision.reasons), "figures": decision.figures}
    return {**said, "ask": list(decision.ask)}


def partition_key() -> str | None:
    """The partition that the running task's run is for; None when it is for none."""
    return get_current_context()["dag_run"].partition_key


def version_param(model: Model, journal: "Journal", version: str | None, reason: str | None) -> tuple[str, str]:
    """The version that a person names, with the reason; or the one that has passed in shadow, without one.

    Whatever an event says: the journal's newest verdict names the version.

    Raises:
        ConfigError: a person gave only one of the two, or neither.
        AirflowSkipException: an event has woken the run, but no verdict waits for a proposal.
    """
    from almanac.events.claims import record_refusal, shadow_verdict

    if version and reason:
        return version, reason
    if version or reason or not (is_swept() or _names(get_current_context()["triggering_asset_events"])):
        raise ConfigError(f"version and reason: give both; got version {version!r} and reason {reason!r}")
    run = current_run()
    verdict = shadow_verdict(journal, model, run)
    if verdict is None:
        why = "the journal has no version that has passed in shadow and was not proposed yet"
        name = assets.shadow(model).name
        raise AirflowSkipException(record_refusal(journal, model.name, name, why, run=run, now=now()))
    return verdict.subject.rpartition("@")[2], ""


def range_param(model: Model, since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The range of event time that a person gave, or else that of the window that woke the run, or none.

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
