"""The question whether a version may go into production, asked through Airflow's human-in-the-loop."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.execution_time.hitl import HITLUser

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.journal.records import RunRef
from almanac_airflow.notifiers.alert import ApprovalNotifier, answered
from almanac_airflow.params import ANSWER_REASON, answer_params

if TYPE_CHECKING:
    from almanac.release.approval import Answer, Desk

APPROVAL_DOC = "A person compares and answers, here or by REST. Skipped when nobody must be asked; no answer is a no."
COMPARISON = "comparison"
"""The XCom key under which the task before leaves what a person reads."""


class PromotionApproval(ApprovalOperator):
    """Waits for a person; no answer in time is a no. Question and answer go to the journal, the answer to the version.

    That this task succeeds allows nothing: whoever promotes looks for the answer in the journal.

    Skips what follows when the answer is no. Takes no worker's slot while it waits. An answer is final for its run: a
    task that is tried again, or cleared, goes on with it. (Only one that came within the second in which the task
    parked is lost to Airflow 3.3: its scheduler tries the task again, and the person is asked, and told, once more.)

    Args:
        model: whose version.
        after: the task that returns the version's number and leaves the comparison in XCom.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "version")

    def __init__(self, *, model: Model, after: str, **more: Any) -> None:
        self.version = f"{{{{ ti.xcom_pull('{after}') }}}}"
        self.model = model
        more.pop("params", None)  # those of the DAG, which Airflow puts here; the question has one of its own
        super().__init__(
            task_id=more.pop("task_id", "approve"),
            subject=f"Promote {model.name} version {self.version}?",
            body=f"{{{{ ti.xcom_pull('{after}', key='{COMPARISON}') }}}}",
            defaults=self.REJECT,
            response_timeout=model.approval.timeout,
            assigned_users=users_of(model.approval.users),
            notifiers=[ApprovalNotifier(model.name, model.alerts)],
            on_success_callback=answered(model),
            params=answer_params("Why. Kept with your name in the journal and on the version."),
            **more,
        )

    def execute(self, context: Context) -> Any:
        """Write the question down and ask; tried again after an answer, go on with that."""
        from almanac.release.approval import answer_of, ask_person

        at = self._desk(context)
        answer = answer_of(at.journal, self.model.name, at.version, at.run)
        if answer is None:
            self.assigned_users = users_of(ask_person(at, by_hand=_by_hand(context)))
            return super().execute(context)
        person = {"id": answer.id or answer.by, "name": answer.by} if answer.by else None
        chosen, said = self.APPROVE if answer.approved else self.REJECT, {ANSWER_REASON: answer.reason}
        event = {"chosen_options": [chosen], "params_input": said, "responded_at": answer.at}
        return self.execute_complete(context, {**event, "responded_by_user": person})

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer, then go on or skip: a yes of somebody who may not say it is a no."""
        from almanac.release.approval import record_answer

        at = self._desk(context)
        answer = record_answer(at, _answer(event, self.APPROVE))
        self.log.info("%s: %s; approved: %s", at.subject, answer.words, answer.approved)
        chosen = self.APPROVE if answer.approved else self.REJECT
        return super().execute_complete(context, {**event, "chosen_options": [chosen]})

    def _desk(self, context: Context) -> "Desk":
        from almanac.journal.journal import Journal
        from almanac.registry.store import Registry
        from almanac.release.approval import Desk

        home = Home()
        return Desk(
            self.model, str(self.version), home, Registry.of(home), Journal(home.journal_url), run_of(context),
            datetime.now(UTC),
        )  # fmt: skip


def users_of(ids: Sequence[str]) -> list[HITLUser]:
    """Users as Airflow's questions want them; none: whoever may act on the DAG."""
    return [HITLUser(id=each, name=each) for each in ids]


def run_of(context: Context) -> RunRef:
    """The run that asks, and who started it."""
    task, dag_run = context["ti"], context["dag_run"]
    starter = getattr(dag_run, "triggering_user_name", None) or "airflow"
    return RunRef(task.dag_id, task.run_id, task.try_number, starter)


def _by_hand(context: Context) -> str:
    """Why a person started the run to promote a version that the form names; empty: nobody did."""
    form = context.get("params") or {}
    return str(form.get("reason") or "") if form.get("version") else ""


def _answer(event: Mapping[str, Any], yes: str) -> "Answer":
    from almanac.release.approval import Answer

    person = event["responded_by_user"]
    return Answer(
        approved=person is not None and event["chosen_options"] == [yes],
        by=str(person["name"]) if person else "",
        reason=str((event["params_input"] or {}).get(ANSWER_REASON) or ""),
        at=event["responded_at"],
        id=str(person["id"]) if person else "",
    )
