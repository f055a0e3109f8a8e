"""What makes the events that other DAGs wait for: windows, posted events, changes of a declaration, the sweep."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared, Model

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def start_window(context: "RunContext", model: Model) -> PokeReturnValue:
    """Whether the windows that this run's window depends on have closed."""
    from almanac.windows.closing import start_window, window_of_run
    from almanac_airflow.runs import partition_key

    window = window_of_run(model, partition_key())
    waits_for = start_window(model, context.home, context.journal, window, run=context.run, now=context.now)
    return PokeReturnValue(is_done=not waits_for, xcom_value=str(window))


def close_window(context: "RunContext", model: Model) -> dict[str, Any]:
    """Count the rows and missing steps of this run's window."""
    from almanac.windows.closing import close_window, window_of_run
    from almanac_airflow.runs import partition_key

    window = window_of_run(model, partition_key())
    closed = close_window(model, context.home, context.journal, window, run=context.run, now=context.now)
    return {"state": closed.state.value, "rows": closed.rows, "missing_steps": closed.missing_steps}


def announce_window(closed: dict[str, Any]) -> dict[str, Any]:
    """The content of the window's event.

    Raises:
        AirflowSkipException: the window is empty.
    """
    if not closed["rows"]:
        raise AirflowSkipException("skipped: no new data; no row lies in this window")
    return closed


def reopen_windows(context: "RunContext", model: Model) -> list[str]:
    """The partition keys of closed windows whose rows have changed, or that some DAG has missed.

    Raises:
        AirflowSkipException: there is none.
    """
    from almanac.events.handled import windows_missed
    from almanac.windows.closing import reopen_windows
    from almanac.windows.tumbling import key_of
    from almanac.windows.window import Window
    from almanac_airflow.handled import handling
    from almanac_airflow.runs import is_swept

    with handling(context, model, "reopen"):
        found = reopen_windows(model, context.home, context.journal, run=context.run, now=context.now)
    found += windows_missed(context.journal, model) if is_swept() else []
    if not found:
        raise AirflowSkipException("skipped: no new data; no closed window has changed")
    return sorted({key_of(Window(each.window_start, each.window_end)) for each in found})


def check_posted(
    context: "RunContext", model: Model, names: Sequence[str], events: Any
) -> dict[str, list[dict[str, Any]]]:
    """Check the payload of each posted event that has no decision yet.

    Args:
        context: of the running task.
        model: declares the triggers.
        names: of the triggers.
        events: the `inlet_events` of a task that has their assets as inlets.

    Raises:
        AirflowSkipException: every event has its decision.
    """
    from almanac.events.posted import decide_postings
    from almanac_airflow.postings import read_postings

    checked: dict[str, list[dict[str, Any]]] = {"accepted": [], "refused": []}
    for name in names:
        for event, decision in decide_postings(context, model, read_postings(model, name, context.journal, events)):
            checked["accepted" if decision.accepted else "refused"].append(
                {"trigger": name, "payload": event.payload, "reasons": "; ".join(decision.reasons)}
            )
    if not any(checked.values()):
        raise AirflowSkipException("every posted event has its decision")
    return checked


def accept_posted(
    context: "RunContext", model: Model, name: str, checked: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """The content of the trigger's event: the accepted payloads.

    Raises:
        AirflowSkipException: the journal has accepted none.
    """
    from almanac.events.checking import accepted_payloads

    payloads = [each["payload"] for each in checked["accepted"] if each["trigger"] == name]
    accepted = accepted_payloads(model, context.journal, name, payloads, run=context.run)
    if not accepted:
        raise AirflowSkipException("no event of this name was accepted, by the journal")
    return {"payloads": accepted}


def report_refused(model: Model, checked: dict[str, list[dict[str, Any]]]) -> None:
    """Fail when a posted event was refused.

    Raises:
        DataError: one was; the message says why.
    """
    from almanac.events.checking import raise_refusals

    raise_refusals(model.name, checked["refused"])


def find_change(context: "RunContext", model: Model) -> dict[str, Any]:
    """The content of the event that a model's declaration or code has changed.

    Raises:
        AirflowSkipException: neither has, since the champion was trained.
    """
    from almanac.training.changes import find_change

    reason = find_change(model, context.registry)
    if not reason:
        raise AirflowSkipException("nothing has changed since the champion was trained")
    return {"reason": reason}


def start_missed(context: "RunContext", models: Sequence[Declared], events: Any) -> list[str]:
    """Start every pipeline that should have run and did not; gives the runs.

    Args:
        context: of the running task.
        models: all that are declared.
        events: the `inlet_events` of a task that has the assets of all event triggers as inlets.

    Raises:
        AirflowSkipException: every pipeline has handled what is there.
        TransientError: the journal is away, or some questions could not be answered; the others were.
    """
    import time

    from almanac.errors import TransientError
    from almanac.events.sweep import Sweep, sweep
    from almanac_airflow.notifiers.channels import notifier
    from almanac_airflow.sweep import AirflowDags

    found = Sweep(context, models, AirflowDags(context.journal, events))
    started = sweep(found, notifier(context.run), time.sleep)
    print("\n".join(started))  # noqa: T201 - the task's log
    if found.unanswered:
        raise TransientError(f"the sweep could not look at everything: {'; '.join(found.unanswered)}")
    if not started:
        raise AirflowSkipException("every pipeline has handled what is there")
    return started
