"""The monitor, and what follows from an alarm."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def watch(context: "RunContext", model: Model) -> dict[str, Any]:
    """Evaluate the newest windows, write the report, and alert.

    Raises:
        AirflowSkipException: what triggered the run is refused.
    """
    from almanac.monitoring.monitor import monitor
    from almanac.monitoring.notifications import notify_findings
    from almanac_airflow.access.connections import task_history
    from almanac_airflow.events import require_event
    from almanac_airflow.handled import handling
    from almanac_airflow.notifiers.channels import notifier
    from almanac_airflow.runs import link

    require_event(context, model, "monitor")
    with handling(context, model, "monitor"):
        result = monitor(
            model,
            context.home,
            context.journal,
            context.registry,
            run=context.run,
            now=context.now,
            history=task_history(context.home),
            link=link(),
        )
    notify_findings(model, result, notifier(context.run), run=context.run, link=link(), now=context.clock())
    return result.summary()


def is_required(context: "RunContext", model: Model, action: Action) -> bool:
    """Whether the findings of this run, as the journal holds them, require an action."""
    from almanac.monitoring.execute_actions import alarm_of

    return alarm_of(context.journal, model.name, action, context.run) is not None


def request_retrain(context: "RunContext", model: Model, *, as_answered: bool) -> dict[str, Any]:
    """The content of the event that requests a retrain.

    Raises:
        AirflowSkipException: nothing asks for it.
    """
    from almanac_airflow.runs import requested_action

    found = requested_action(context, model, "retrain", as_answered=as_answered)
    return {"reason": "; ".join(found.reasons), "subject": found.subject}


def put_previous_back(context: "RunContext", model: Model, *, as_answered: bool) -> dict[str, Any]:
    """Make the previous version the champion again; gives the content of the champion's event.

    Raises:
        AirflowSkipException: nothing asks for it, or it cannot be done any longer.
    """
    from almanac.monitoring.execute_actions import put_previous_back
    from almanac_airflow.runs import requested_action

    found = requested_action(context, model, "previous", as_answered=as_answered)
    version = put_previous_back(context, model, found.version, found.reasons)
    if version is None:
        raise AirflowSkipException("there is no previous version, or the champion has changed meanwhile")
    return {"version": version}


def stop_scoring(context: "RunContext", model: Model, *, as_answered: bool) -> None:
    """Stop scoring until a person resumes it.

    Raises:
        AirflowSkipException: nothing asks for it.
    """
    from almanac.scoring.pause import stop_scoring
    from almanac_airflow.runs import requested_action

    reason = "; ".join(requested_action(context, model, "stop_scoring", as_answered=as_answered).reasons)
    stop_scoring(context.journal, model.name, reason=reason, run=context.run, now=context.now)
