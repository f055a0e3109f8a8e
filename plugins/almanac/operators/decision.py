"""Asks a person what to do about an alarm of the monitor, in Airflow's own human-in-the-loop pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.config.home import Home
from include.config.schema import Model
from include.journal.records import RunRef

_NOTHING = "Nothing"
_ACTIONS = {"Ask for a retrain": "retrain", "Put the previous version back": "previous", "Stop scoring": "stop_scoring"}


class AlarmDecision(HITLOperator):
    """Waits for a person, taking no worker's slot; no answer in time is *nothing*. Skipped when nobody is asked.

    Returns what the tasks after it read: `acts`, as the monitor gives them.

    Args:
        model: whose alarm.
        after: the task that returns the monitor's result.
        answer_within: after it, nothing is done.
    """

    def __init__(
        self,
        *,
        model: Model,
        after: str,
        answer_within: timedelta = timedelta(days=3),
        task_id: str = "ask",
        **more: Any,
    ) -> None:
        self.model_name = model.name
        self.after = after
        super().__init__(
            task_id=task_id,
            subject=f"{model.title}: what should be done?",
            body=f"{{{{ ti.xcom_pull('{after}')['markdown'] }}}}",
            options=[_NOTHING, *_ACTIONS],
            defaults=[_NOTHING],
            multiple=True,
            response_timeout=answer_within,
            params={
                "reason": Param("", type="string", maxLength=500, title="Reason", description="Kept in the journal.")
            },
            doc_md="Asks a person what to do, where `monitor.actions` says so; skipped otherwise.",
            **more,
        )

    def execute(self, context: Context) -> Any:
        """Ask, if anything is to be asked."""
        if "ask" not in context["ti"].xcom_pull(task_ids=self.after)["acts"]:
            raise AirflowSkipException("nothing that a person is to decide")
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Write the answer down, and give it as acts."""
        from include.journal.journal import Journal
        from include.monitoring.carry_out import record_answer

        super().execute_complete(context, event)
        result, task = context["ti"].xcom_pull(task_ids=self.after), context["ti"]
        chosen = [_ACTIONS[option] for option in event["chosen_options"] if option in _ACTIONS]
        person, reason = _person(event), str((event.get("params_input") or {}).get("reason") or "")
        run = RunRef(task.dag_id, task.run_id, task.try_number, started_by=person)
        record_answer(
            self.model_name, Journal(Home().journal_url), chosen, by=person, reason=reason,
            version=result["model_version"], run=run, now=datetime.now(UTC),
        )  # fmt: skip
        why = [f"{person or 'nobody'} decided: {reason or 'no reason given'}", *result["acts"]["ask"]]
        return {**result, "reason": "; ".join(why), "acts": dict.fromkeys(chosen, why)}


def _person(event: dict[str, Any]) -> str:
    person = event.get("responded_by_user") or {}
    return str(person.get("name") or person.get("id") or "")
