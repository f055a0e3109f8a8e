"""Asks a person what to do about an alarm of the monitor, in Airflow's own human-in-the-loop pages."""

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from almanac.notifiers.alert import ApprovalNotifier, answered
from almanac.params import ANSWER_REASON, answer_params
from include.config.home import Home
from include.config.schema import Model
from include.journal.records import Decision, RunRef

_NOTHING = "Nothing"
_ACTIONS = {"Ask for a retrain": "retrain", "Put the previous version back": "previous", "Stop scoring": "stop_scoring"}


class AlarmDecision(HITLOperator):
    """Waits for a person, taking no worker's slot; no answer in time is *nothing*. Skipped when nobody is asked.

    The same version and window are asked about once, however often the monitor runs meanwhile, and an answer is final
    for its run: tried again, the task goes on with it. Returns what the tasks after it read: `acts`, as the monitor
    gives them.

    Args:
        model: whose alarm.
        after: the task that returns the monitor's result.
    """

    def __init__(self, *, model: Model, after: str, task_id: str = "ask", **more: Any) -> None:
        self.model_name = model.name
        self.after = after
        more.pop("params", None)  # those of the DAG, which Airflow puts here; the question has one of its own
        super().__init__(
            task_id=task_id,
            subject=f"{model.title}: what should be done?",
            body=f"{{{{ ti.xcom_pull('{after}')['markdown'] }}}}",
            options=[_NOTHING, *_ACTIONS],
            defaults=[_NOTHING],
            multiple=True,
            response_timeout=model.monitor.answer_within,
            assigned_users=[{"id": user, "name": user} for user in model.approval.users],
            notifiers=[ApprovalNotifier(model.name, model.alerts, silence=_NOTHING.lower())],
            on_success_callback=answered(model),
            params=answer_params("Why. Kept with your name in the journal."),
            doc_md="Asks a person what to do, where `monitor.actions` says so; skipped otherwise.",
            **more,
        )

    def execute(self, context: Context) -> Any:
        """Ask, if anything is to be asked that nobody was asked yet."""
        from include.journal.journal import Journal
        from include.monitoring.carry_out import answer_of, ask_once

        result, task = context["ti"].xcom_pull(task_ids=self.after), context["ti"]
        if "ask" not in result["acts"]:
            raise AirflowSkipException("nothing that a person is to decide")
        run, journal = RunRef(task.dag_id, task.run_id, task.try_number), Journal(Home().journal_url)
        given = answer_of(self.model_name, journal, run)
        if given is not None:
            return _acts(result, given)
        asked = ask_once(
            self.model_name, journal, result["subject"], result["acts"]["ask"], run=run, now=datetime.now(UTC)
        )
        if asked is not None:
            raise AirflowSkipException(f"asked already by run {asked.run.run_id}: {'; '.join(asked.reasons)}")
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Write the answer down, and give it as acts."""
        from include.journal.journal import Journal
        from include.monitoring.carry_out import record_answer

        super().execute_complete(context, event)
        result, task = context["ti"].xcom_pull(task_ids=self.after), context["ti"]
        chosen = [_ACTIONS[option] for option in event["chosen_options"] if option in _ACTIONS]
        person, reason = _person(event), str((event.get("params_input") or {}).get(ANSWER_REASON) or "")
        run = RunRef(task.dag_id, task.run_id, task.try_number, started_by=person)
        answer = record_answer(
            self.model_name, Journal(Home().journal_url), chosen, by=person, reason=reason,
            subject=result["subject"], run=run, now=datetime.now(UTC),
        )  # fmt: skip
        return _acts(result, answer)


def _acts(result: dict[str, Any], answer: Decision) -> dict[str, Any]:
    """The monitor's result with what a person has decided in the place of what it would do."""
    why = [*answer.reasons, *result["acts"]["ask"]]
    return {**result, "reason": "; ".join(why), "acts": dict.fromkeys(answer.figures, why)}


def _person(event: dict[str, Any]) -> str:
    person = event.get("responded_by_user") or {}
    return str(person.get("name") or person.get("id") or "")
