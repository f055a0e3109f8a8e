"""Task runs as Airflow's REST API lists them."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from almanac.alerts.run_scope import covers, scope_of
from almanac.config.credentials import ADMIN, credentials_file, load
from almanac.config.home import Home
from almanac.health.ready_by import PipelineRun
from almanac.health.unreported_failures import FailedTask
from almanac.journal.records import RunRef
from almanac.monitoring.checks.dag_health import NextRun, TaskTiming
from almanac.services.airflow_api import AirflowClient, Job, Json
from almanac.services.ports import load_ports

_ENDED_WELL = frozenset({"success", "skipped"})
_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowHistory:
    """What `almanac.monitoring.checks.dag_health.TaskHistory` and `almanac.health.rounds.Tasks` ask for.

    Args:
        client: of the server that runs the DAGs.
        pages: where people see Airflow; by default where the client asks.
    """

    def __init__(self, client: AirflowClient, pages: str = "") -> None:
        self._client = client
        self._pages = (pages or client.url).rstrip("/")

    @classmethod
    def of(cls, home: Home, pages: str = "") -> "AirflowHistory | None":
        """The server that the home's own services run, with their password; None where there is none.

        A distributed installation names the server and a user in an Airflow connection:
        `almanac_airflow.access.connections`.
        """
        path, ports = credentials_file(home.home), load_ports(home.home)
        if not path.exists() or ports is None:
            return None
        url = f"http://127.0.0.1:{ports.airflow}"
        return cls(AirflowClient(url, ADMIN, load(path).airflow_password, timeout_s=10.0), pages)

    def task_runs(self, dag_id: str, *, limit: int) -> Sequence[TaskTiming]:
        """The newest task runs of a DAG.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        found: list[TaskTiming] = []
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

    def pipeline_runs(self, dag_id: str, since: datetime) -> Sequence[PipelineRun]:
        """The newest runs of a DAG that were due since a time, at most a hundred.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        page = self._client.call(
            "GET",
            f"/dags/{dag_id}/dagRuns",
            limit="100",
            order_by="-run_after",
            run_after_gte=since.isoformat(),
        )
        rows = page.get("dag_runs") if isinstance(page, dict) else None
        return [_pipeline_run(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def timing(self, dag_id: str) -> NextRun:
        """When the DAG's next scheduled run should begin.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        found = self._client.call("GET", f"/dags/{dag_id}")
        dag = found if isinstance(found, dict) else {}
        return NextRun(paused=dag.get("is_paused") is True, due_at=_time(dag.get("next_dagrun_run_after")))

    def waits(self, run: RunRef, task_id: str) -> bool:
        """Whether a task has not ended yet; False when its run was deleted.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it refuses.
        """
        state = self._client.task_state(run.dag_id, run.run_id, task_id)
        return state is not None and state not in _ENDED

    def failed_tasks(self, since: datetime) -> Sequence[FailedTask]:
        """The tasks that ended in failure since then and are still red, the oldest first.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it refuses.
        """
        red = {"state": "failed", "end_date_gte": since.isoformat(), "order_by": "end_date"}
        rows = self._client.listed("/dags/~/dagRuns/~/taskInstances", "task_instances", **red)
        return [failed for row in rows if (failed := self._failed_task(row)) is not None]

    def made_good(self, failed: FailedTask) -> bool:
        """Whether one of the DAG's newest task runs is a later one of the same task, about the same, that ended well.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it refuses.
        """
        later = [
            run.run_id
            for run in self.task_runs(failed.run.dag_id, limit=100)
            if run.task_id == failed.task_id
            and run.state in _ENDED_WELL
            and run.started_at is not None
            and run.started_at > failed.started_at
        ]
        subject = self.scope_of(failed.run) if later else ""
        return any(covers(self.scope_of(RunRef(failed.run.dag_id, run_id)), subject) for run_id in dict.fromkeys(later))

    def scope_of(self, run: RunRef) -> str:
        """What a run is about: its window, or what a person's form named.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such run, or refuses.
        """
        found = self._client.call("GET", f"/dags/{run.dag_id}/dagRuns/{quote(run.run_id, safe='')}")
        values = found if isinstance(found, dict) else {}
        key, conf = values.get("partition_key"), values.get("conf")
        return scope_of(key if isinstance(key, str) else None, conf if isinstance(conf, dict) else None)

    def tags(self, dag_id: str) -> frozenset[str]:
        """The tags of a DAG.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it knows no such DAG, or refuses.
        """
        found = self._client.call("GET", f"/dags/{dag_id}")
        tags = found.get("tags") if isinstance(found, dict) else None
        rows = tags if isinstance(tags, list) else []
        return frozenset(str(tag["name"]) for tag in rows if isinstance(tag, dict))

    def jobs(self, kind: str) -> Sequence[Job]:
        """The newest of Airflow's own processes of a kind.

        Raises:
            TransientError: Airflow does not answer.
            PermanentError: it refuses.
        """
        return self._client.jobs(kind)

    def _failed_task(self, row: dict[str, Json]) -> FailedTask | None:
        """None for a task that has never begun: a person or the scheduler has marked it, no process has died."""
        started, tries = _time(row.get("start_date")), row.get("try_number")
        if started is None:
            return None
        dag_id, run_id, task_id = (str(row[name]) for name in ("dag_id", "dag_run_id", "task_id"))
        link = f"{self._pages}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/{task_id}"
        return FailedTask(RunRef(dag_id, run_id, tries if isinstance(tries, int) else 1), task_id, started, link)


def _task_run(row: dict[str, Json]) -> TaskTiming:
    queued, started, duration = _time(row.get("queued_when")), _time(row.get("start_date")), row.get("duration")
    tries = row.get("try_number")
    return TaskTiming(
        task_id=str(row.get("task_id")),
        state=str(row.get("state") or ""),
        tries=tries if isinstance(tries, int) else 0,
        started_at=started,
        duration_s=float(duration) if isinstance(duration, int | float) else None,
        queued_s=(started - queued).total_seconds() if started and queued else None,
        run_id=str(row.get("dag_run_id") or ""),
    )


def _pipeline_run(row: dict[str, Json]) -> PipelineRun:
    started, ended = _time(row.get("start_date")), _time(row.get("end_date"))
    return PipelineRun(str(row.get("dag_run_id")), str(row.get("state")), started, ended)


def _time(text: Json) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
