"""What the sweep asks of Airflow: the state of a DAG, which events were posted, and to start a run."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

from almanac.config.schema import Declared
from almanac.errors import TransientError
from almanac_airflow.postings import read_postings

if TYPE_CHECKING:
    from almanac.events.posted import Posting
    from almanac.events.sweep import DagState
    from almanac.journal.journal import Journal


class AirflowDags:
    """The DAGs of the Airflow in which the running task is: `almanac.events.sweep.Dags`.

    Args:
        journal: knows how far posted events were read.
        events: the `inlet_events` of the running task.
    """

    def __init__(self, journal: "Journal", events: Any) -> None:
        self._journal, self._events = journal, events

    def standing(self, dag_id: str) -> "DagState | None":
        """The state of a DAG; None: Airflow has not parsed it yet."""
        from almanac.events.sweep import DagState

        task = get_current_context()["ti"]
        try:
            dag = task.get_dag(dag_id)
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == HTTPStatus.NOT_FOUND:
                return None
            raise TransientError(f"{dag_id}: Airflow does not give its state: {error}") from error
        count = {state: task.get_dr_count(dag_id, states=[state]) for state in ("queued", "running", "success")}
        return DagState(bool(dag.is_paused), bool(count["queued"]), bool(count["running"]), bool(count["success"]))

    def start(self, dag_id: str, run_id: str, *, note: str) -> bool:
        """Start a run as Airflow's TriggerDagRunOperator does, which would need a task of its own for each run.

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

    def postings(self, model: Declared, trigger: str) -> "list[Posting]":
        """The posted events of a trigger that may be undecided."""
        return read_postings(model, trigger, self._journal, self._events)


_NOTE = 900  # characters of a run's note; Airflow takes 1,000
