"""The question whether a version may go into production, asked through Airflow's human-in-the-loop."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.execution_time.hitl import HITLUser

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.notifiers.alert import ApprovalNotifier, end_of_approval
from almanac_airflow.params import ANSWER_REASON, answer_params
from almanac_airflow.runs import run_context

if TYPE_CHECKING:
    from almanac.release.approval import Answer, Desk

APPROVAL_DOC = "A person compares and answers, here or by REST. Skipped when nobody has to be asked; no answer is a no."
COMPARISON = "comparison"
"""The XCom key of what a person reads; the task before pushes it."""


class PromotionApprovalOperator(ApprovalOperator):
    """Waits for a person; no answer in time is a no. Question and answer go to the journal, the answer to the version.

    That this task succeeds allows nothing: the task that promotes looks for the answer in the journal.

    Skips what follows when the answer is no. Takes no worker's slot while it waits. An answer is final for its run: a
    task that is retried, or cleared, goes on with it. (Airflow 3.3 loses only an answer that came within the second in
    which the task was deferred: its scheduler retries the task, and the person is asked once more.)

    Args:
        model: whose version: the declaration itself, which `almanac_airflow.declarations.declared_models` gives.
        after: the task that returns the version's number and leaves the comparison in XCom: a `RegisterModelOperator`.
        task_id: of this one.
        doc_md: what Airflow shows of the task.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "version")

    def __init__(
        self, *, model: Model, after: str, task_id: str = "approve", doc_md: str | None = APPROVAL_DOC, **more: Any
    ) -> None:
        self.version = f"{{{{ ti.xcom_pull('{after}') }}}}"
        self.model = model
        super().__init__(
            task_id=task_id,
            doc_md=doc_md,
            subject=f"Promote {model.name} version {self.version}?",
            body=f"{{{{ ti.xcom_pull('{after}', key='{COMPARISON}') }}}}",
            defaults=self.REJECT,
            response_timeout=model.approval.timeout,
            assigned_users=users_of(model.approval.users),
            notifiers=[ApprovalNotifier(model.name, model.alerts)],
            on_success_callback=end_of_approval(model),
            params=answer_params("Why. Kept with your name in the journal and on the version."),
            # those of the DAG, which Airflow puts here, are left out: the question has one of its own
            **{name: value for name, value in more.items() if name != "params"},
        )

    def execute(self, context: Context) -> Any:
        """Record the question and ask; retried after an answer, go on with that."""
        from almanac.release.approval import answer_of, ask_person

        at = self._desk(context)
        answer = answer_of(at.journal, self.model.name, at.version, at.run)
        if answer is None:
            self.assigned_users = users_of(ask_person(at, by_hand=_by_hand(context)))
            return super().execute(context)
        person = {"id": answer.id or answer.by, "name": answer.by} if answer.by else None
        chosen, given = self.APPROVE if answer.approved else self.REJECT, {ANSWER_REASON: answer.reason}
        event = {"chosen_options": [chosen], "params_input": given, "responded_at": answer.at}
        return self.execute_complete(context, {**event, "responded_by_user": person})

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer, then go on or skip: the yes of a person who may not decide is a no."""
        from almanac.release.approval import record_answer

        at = self._desk(context)
        answer = record_answer(at, _answer(event, self.APPROVE))
        self.log.info("%s: %s; approved: %s", at.subject, answer.words, answer.approved)
        chosen = self.APPROVE if answer.approved else self.REJECT
        return super().execute_complete(context, {**event, "chosen_options": [chosen]})

    def _desk(self, context: Context) -> "Desk":
        from almanac.release.approval import Desk

        return Desk.of(run_context(Home(), context), self.model, str(self.version))


def users_of(ids: Sequence[str]) -> list[HITLUser]:
    """Users in the form of Airflow's questions; none: everybody who may act on the DAG."""
    return [HITLUser(id=each, name=each) for each in ids]


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
