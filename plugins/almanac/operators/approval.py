"""The question whether a version may go into production, asked through Airflow's human-in-the-loop."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.definitions.context import Context

from almanac.notifiers.alert import ApprovalNotifier, answered
from almanac.params import ANSWER_REASON, answer_params
from include.config.home import Home
from include.config.schema import Model
from include.journal.records import RunRef

if TYPE_CHECKING:
    from include.journal.journal import Journal
    from include.registry.approval import Answer

APPROVAL_DOC = "A person compares and answers, here or by REST. Skipped when nobody must be asked; no answer is a no."
COMPARISON = "comparison"
"""The XCom key under which the task before leaves what a person reads."""


class PromotionApproval(ApprovalOperator):
    """Waits for a person; no answer in time is a no. The answer goes to the journal and the version's tags.

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
        self.model_name = model.name
        more.pop("params", None)  # those of the DAG, which Airflow puts here; the question has one of its own
        super().__init__(
            task_id=more.pop("task_id", "approve"),
            subject=f"Promote {model.name} version {self.version}?",
            body=f"{{{{ ti.xcom_pull('{after}', key='{COMPARISON}') }}}}",
            defaults=self.REJECT,
            response_timeout=model.approval.timeout,
            assigned_users=[{"id": user, "name": user} for user in model.approval.users],
            notifiers=[ApprovalNotifier(model.name, model.alerts)],
            on_success_callback=answered(model),
            params=answer_params("Why. Kept with your name in the journal and on the version."),
            **more,
        )

    def execute(self, context: Context) -> Any:
        """Ask; tried again after an answer, go on with that."""
        from include.registry.approval import answer_of

        answer = answer_of(_journal(), self.model_name, self.version, _run(context))
        if answer is None:
            return super().execute(context)
        person = {"id": answer.by, "name": answer.by} if answer.by else None
        chosen, said = self.APPROVE if answer.approved else self.REJECT, {ANSWER_REASON: answer.reason}
        event = {"chosen_options": [chosen], "params_input": said, "responded_at": answer.at}
        return self.execute_complete(context, {**event, "responded_by_user": person})

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer, then go on or skip."""
        from include.registry.approval import record_answer
        from include.registry.store import Registry

        answer = _answer(event, self.APPROVE)
        self.log.info("%s@%s: %s", self.model_name, self.version, answer.words)
        registry, now = Registry.of(Home()), datetime.now(UTC)
        record_answer(registry, _journal(), self.model_name, self.version, answer, run=_run(context), now=now)
        return super().execute_complete(context, event)


def _journal() -> "Journal":
    from include.journal.journal import Journal

    return Journal(Home().journal_url)


def _run(context: Context) -> RunRef:
    task = context["ti"]
    return RunRef(task.dag_id, task.run_id, task.try_number)


def _answer(event: Mapping[str, Any], yes: str) -> "Answer":
    from include.registry.approval import Answer

    person = event["responded_by_user"]
    return Answer(
        approved=person is not None and event["chosen_options"] == [yes],
        by=str(person["name"]) if person else "",
        reason=str((event["params_input"] or {}).get(ANSWER_REASON) or ""),
        at=event["responded_at"],
    )
