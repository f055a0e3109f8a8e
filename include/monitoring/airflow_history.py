"""Task runs as Airflow's REST API lists them."""

from collections.abc import Sequence
from datetime import datetime

from include.config.home import Home
from include.journal.records import RunRef
from include.monitoring.running import TaskRun, Timing
from include.services.airflow_api import AirflowClient, Json
from include.services.credentials import ADMIN, credentials_file, load
from include.services.ports import load_ports

_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowHistory:
    """What `include.monitoring.running.TaskHistory` and `include.alerts.questions.Waiting` ask for.

    Args:
        client: of the server that runs the DAGs.
    """

    def __init__(self, client: AirflowClient) -> None:
        self._client = client

    @classmethod
    def of(cls, home: Home) -> "AirflowHistory | None":
        """The server that the home's own services run, with their password; None where there is none.

        A distributed installation names the server and a user in an Airflow connection: `almanac.connections`.
        """
        path, ports = credentials_file(home.home), load_ports(home.home)
        if not path.exists() or ports is None:
            return None
        url = f"http://127.0.0.1:{ports.airflow}"
        return cls(AirflowClient(url, ADMIN, load(path).airflow_password, timeout_s=10.0))

    def task_runs(self, dag_id: str, *, limit: int) -> Sequence[TaskRun]:
        """The newest task runs of a DAG.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        found: list[TaskRun] = []
        while len(found) < limit:
            page = self._client.call(
                "GET",
                f"/dags/{dag_id}/dagRuns/~/taskInstances",
                limit=str(min(limit - len(found), 100)),
                offset=str(len(found)),
                order_by="-start_date",
            )
            rows = page.get("task_instances") if isinstance(page, dict) else None
            if not isinstance(rows, list) or not rows:
                break
            found += [_task_run(row) for row in rows if isinstance(row, dict)]
        return found

    def timing(self, dag_id: str) -> Timing:
        """When the DAG's next scheduled run should begin.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        found = self._client.call("GET", f"/dags/{dag_id}")
        dag = found if isinstance(found, dict) else {}
        return Timing(paused=dag.get("is_paused") is True, due_at=_time(dag.get("next_dagrun_run_after")))

    def waits(self, run: RunRef, task_id: str) -> bool:
        """Whether a task has not ended yet; False when its run was deleted.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it refuses.
        """
        state = self._client.task_state(run.dag_id, run.run_id, task_id)
        return state is not None and state not in _ENDED


def _task_run(row: dict[str, Json]) -> TaskRun:
    queued, started, duration = _time(row.get("queued_when")), _time(row.get("start_date")), row.get("duration")
    tries = row.get("try_number")
    return TaskRun(
        task_id=str(row.get("task_id")),
        state=str(row.get("state") or ""),
        tries=tries if isinstance(tries, int) else 0,
        started_at=started,
        duration_s=float(duration) if isinstance(duration, int | float) else None,
        queued_s=(started - queued).total_seconds() if started and queued else None,
    )


def _time(text: Json) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
