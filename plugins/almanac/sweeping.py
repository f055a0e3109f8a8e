"""What the sweep asks of Airflow: how DAGs stand, which events were posted, and to start a run."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

from almanac.postings import read_postings
from include.config.home import Home
from include.config.schema import Model
from include.errors import TransientError

if TYPE_CHECKING:
    from include.events.posted import Posting
    from include.events.sweep import Standing
    from include.journal.journal import Journal


def start_missed(models: Sequence[Model], home: Home, inlet_events: Any) -> list[str]:
    """Find what was missed and start it; gives what was started.

    Raises:
        TransientError: the journal is away, or some questions could not be answered; the others were.
    """
    from almanac.channels import teller
    from almanac.runs import current_run, now
    from include.events.states import States
    from include.events.sweep import Sweep, sweep
    from include.journal.journal import Journal
    from include.registry.store import Registry

    journal, registry, run, at = Journal(home.journal_url), Registry.of(home), current_run(), now()
    found = Sweep(
        models, journal, lambda: States(home, journal, registry, at), AirflowDags(journal, inlet_events), run, at
    )  # fmt: skip
    started = sweep(found, teller(run), time.sleep)
    print("\n".join(started))  # noqa: T201 - the task's log
    if found.unanswered:
        raise TransientError(f"the sweep could not look at everything: {'; '.join(found.unanswered)}")
    return started


class AirflowDags:
    """The DAGs of the Airflow in which the running task is: `include.events.sweep.Dags`.

    Args:
        journal: knows how far posted events were read.
        events: the `inlet_events` of the running task.
    """

    def __init__(self, journal: "Journal", events: Any) -> None:
        self._journal, self._events = journal, events

    def standing(self, dag_id: str) -> "Standing | None":
        """How a DAG stands; None: Airflow has not parsed it yet."""
        from include.events.sweep import Standing

        task = get_current_context()["ti"]
        try:
            dag = task.get_dag(dag_id)
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == HTTPStatus.NOT_FOUND:
                return None
            raise TransientError(f"{dag_id}: Airflow does not say how it stands: {error}") from error
        count = {state: task.get_dr_count(dag_id, states=[state]) for state in ("queued", "running", "success")}
        return Standing(bool(dag.is_paused), bool(count["queued"]), bool(count["running"]), bool(count["success"]))

    def start(self, dag_id: str, run_id: str, *, note: str) -> bool:
        """Start a run as Airflow's TriggerDagRunOperator does, of which each starts one and is a task of its own.

        Raises:
            TransientError: Airflow refuses.
        """
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        wanted = TriggerDagRun(dag_id=dag_id, run_id=run_id, note=note[:_NOTE])
        try:
            answer = SUPERVISOR_COMMS.send(wanted)
        except AirflowRuntimeError as error:
            answer = error.error
        if not isinstance(answer, ErrorResponse):
            return True
        if answer.error is ErrorType.DAGRUN_ALREADY_EXISTS:
            return False
        raise TransientError(f"{dag_id}: the run {run_id} could not be started: {answer.error} {answer.detail}")

    def postings(self, model: Model, trigger: str) -> "list[Posting]":
        """The posted events of a trigger that may be undecided."""
        return read_postings(model, trigger, self._journal, self._events)


_NOTE = 900  # characters of a run's note; Airflow takes 1,000
