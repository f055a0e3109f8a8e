"""Asks a person what to do about an alarm of the monitor, by Airflow's human-in-the-loop."""

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.approvers import approval_of
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action
from almanac_airflow.notifiers.alert import ApprovalNotifier, end_of_approval
from almanac_airflow.operators.approval import users_of
from almanac_airflow.params import ANSWER_REASON, answer_params
from almanac_airflow.runs import run_context

_NOTHING = "Nothing"
_ACTIONS: dict[str, Action] = {
    "Ask for a retrain": "retrain",
    "Put the previous version back": "previous",
    "Stop scoring": "stop_scoring",
}


class AlarmDecision(HITLOperator):
    """Waits for a person, taking no worker's slot; no answer in time is *nothing*. Skipped when nobody is asked.

    The same version and window are asked about once, however often the monitor runs meanwhile, and an answer is final
    for its run: retried, the task goes on with it. The tasks after it read the answer from the journal.

    Args:
        model: whose alarm.
        after: the task that returns the monitor's result.
    """

    def __init__(self, *, model: Model, after: str, task_id: str = "ask", **more: Any) -> None:
        self.model = model
        super().__init__(
            task_id=task_id,
            subject=f"{model.title}: what should be done?",
            body=f"{{{{ (ti.xcom_pull('{after}') or {{}}).get('markdown', '') }}}}",
            options=[_NOTHING, *_ACTIONS],
            defaults=[_NOTHING],
            multiple=True,
            response_timeout=model.monitor.answer_within,
            assigned_users=users_of(model.approval.users),
            notifiers=[ApprovalNotifier(model.name, model.alerts, silence=_NOTHING.lower())],
            on_success_callback=end_of_approval(model),
            params=answer_params("Why. Kept with your name in the journal."),
            doc_md="Asks a person what to do, where `monitor.actions` says so; skipped otherwise.",
            # those of the DAG, which Airflow puts here, are left out: the question has one of its own
            **{name: value for name, value in more.items() if name != "params"},
        )

    def execute(self, context: Context) -> Any:
        """Ask, unless there is nothing to ask, or it was asked already."""
        from almanac.monitoring.execute_actions import alarm_of, answer_of, ask_once

        at = run_context(Home(), context)
        found = alarm_of(at.journal, self.model.name, "ask", at.run)
        if found is None:
            raise AirflowSkipException("nothing that a person is to decide")
        given = answer_of(self.model.name, at.journal, at.run)
        if given is not None:
            return list(given.reasons)
        asked = ask_once(at, self.model, found.subject, found.reasons)
        if asked is not None:
            raise AirflowSkipException(f"asked already by run {asked.run.run_id}: {'; '.join(asked.reasons)}")
        self.assigned_users = users_of(approval_of(self.model, at.home).users)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer where the tasks that act read it; gives it in words."""
        from almanac.monitoring.execute_actions import alarm_of, record_answer

        super().execute_complete(context, event)
        at = run_context(Home(), context)
        found = alarm_of(at.journal, self.model.name, "ask", at.run)
        chosen = [_ACTIONS[option] for option in event["chosen_options"] if option in _ACTIONS]
        person: dict[str, Any] = event.get("responded_by_user") or {}
        reason = str((event.get("params_input") or {}).get(ANSWER_REASON) or "")
        answer = record_answer(
            at,
            self.model,
            chosen,
            by=str(person.get("name") or person.get("id") or ""),
            user_id=str(person.get("id") or ""),
            reason=reason,
            subject=found.subject if found else "",
            at=event["responded_at"],
        )
        return list(answer.reasons)
