"""A small client of Airflow's public REST API, for the command line, the demo and the end-to-end tests."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeAlias, cast

import httpx

from almanac.errors import PermanentError, TransientError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

FINISHED = frozenset({"success", "failed"})
_UNAUTHORIZED_STATUS = 401
_NOT_FOUND_STATUS = 404
_TRIES = 3


@dataclass(frozen=True)
class Health:
    """What Airflow says about its own processes: `healthy`, `unhealthy`, or empty when one was never seen."""

    metadatabase: str
    scheduler: str
    triggerer: str
    dag_processor: str

    @property
    def unhealthy(self) -> tuple[str, ...]:
        """The processes that are not healthy."""
        return tuple(name for name, state in vars(self).items() if state != "healthy")


@dataclass(frozen=True)
class ImportProblem:
    """A DAG file that Airflow could not read."""

    file: str
    traceback: str


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG. `state` is Airflow's: queued, running, success, failed."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    seconds: float | None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self.state in FINISHED


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run, its last try."""

    task_id: str
    map_index: int
    state: str
    tries: int


@dataclass(frozen=True)
class Job:
    """One life of a process of Airflow. `kind` is Airflow's: SchedulerJob, TriggererJob, DagProcessorJob."""

    kind: str
    host: str
    began: datetime
    ended_well: bool


class AirflowClient:
    """Logs in when it must, and again when its token has expired.

    Every method raises `TransientError` when Airflow does not answer or fails, and `PermanentError` when it refuses.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        token: str = "",
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        # Proxies of the environment are not for the loopback address.
        self._http = httpx.Client(base_url=url, timeout=timeout_s, transport=transport, trust_env=False)
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> Health:
        """Ask for the health of the processes; needs no login."""
        found = _object(self._json(self._send("GET", "/api/v2/monitor/health", {}, None)))
        return Health(**{name: _text(_object(found.get(name)).get("status")) for name in Health.__annotations__})

    def login(self) -> None:
        """Fetch a token; proves that the server is the one that knows this password."""
        response = self._send("POST", "/auth/token", {}, cast(Json, self._login))
        self._token = _text(_object(self._json(response)).get("access_token"))

    def import_problems(self) -> tuple[ImportProblem, ...]:
        """List the DAG files that cannot be read."""
        return tuple(
            ImportProblem(_text(each["filename"]), _text(each["stack_trace"]))
            for each in self.listed("/importErrors", "import_errors")
        )

    def dag_ids(self) -> tuple[str, ...]:
        """List the DAGs that Airflow knows now, sorted."""
        return tuple(sorted(_text(each["dag_id"]) for each in self.listed("/dags", "dags")))

    def pools(self) -> tuple[str, ...]:
        """List the pools, sorted."""
        return tuple(sorted(_text(each["name"]) for each in self.listed("/pools", "pools")))

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause a DAG, or let it run."""
        self.call("PATCH", f"/dags/{dag_id}", body={"is_paused": paused})

    def jobs(self, kind: str) -> tuple[Job, ...]:
        """List the newest of Airflow's processes of a kind: a hundred, alive or not."""
        page = _object(self.call("GET", "/jobs", job_type=kind, order_by="-start_date", limit="100"))
        rows = page.get("jobs")
        found = [_object(row) for row in rows] if isinstance(rows, list) else []
        return tuple(_job(row) for row in found if row.get("start_date"))

    def trigger(self, dag_id: str, conf: Mapping[str, Json] | None = None, run_id: str = "") -> DagRun:
        """Start a run by hand; one run, however often Airflow must be asked."""
        run_id = run_id or f"manual__{datetime.now(UTC).isoformat()}_{secrets.token_hex(4)}"
        body: dict[str, Json] = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": run_id}
        for _ in range(_TRIES - 1):
            try:
                return _dag_run(self.call("POST", f"/dags/{dag_id}/dagRuns", body=body))
            except TransientError:
                # On SQLite a busy Airflow may fail before or after it has made the run; its id tells.
                if run := self._run_if_any(dag_id, run_id):
                    return run
        return _dag_run(self.call("POST", f"/dags/{dag_id}/dagRuns", body=body))

    def _run_if_any(self, dag_id: str, run_id: str) -> DagRun | None:
        return next((run for run in self.runs(dag_id) if run.run_id == run_id), None)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Look at one run."""
        return _dag_run(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str) -> tuple[DagRun, ...]:
        """List the runs of a DAG, the oldest first."""
        return tuple(
            _dag_run(each) for each in self.listed(f"/dags/{dag_id}/dagRuns", "dag_runs", order_by="run_after")
        )

    def unfinished(self) -> tuple[DagRun, ...]:
        """List the runs of all DAGs that are queued or running."""
        states = ("queued", "running")  # a run that goes on from one to the other is in both lists, or in the second
        found = (
            each
            for state in states
            for each in self.listed("/dags/~/dagRuns", "dag_runs", order_by="run_after", state=state)
        )
        return tuple(_dag_run(each) for each in found)

    def has_queued_events(self, dag_id: str) -> bool:
        """Whether events of assets wait for a run of a DAG, or for the other assets that it needs."""
        try:
            return bool(_object(self.call("GET", f"/dags/{dag_id}/assets/queuedEvents"))["total_entries"])
        except _NotFoundError:
            return False

    def wait(self, dag_id: str, run_id: str, *, timeout_s: float, poll_s: float = 0.5) -> DagRun:
        """Wait until a run has finished, well or not; a server that is too busy to answer is asked again.

        Raises:
            TransientError: it has not within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                run = self.run(dag_id, run_id)
                if run.finished:
                    return run
                seen = f"still {run.state}"
            except TransientError as error:
                seen = str(error)
            if time.monotonic() > deadline:
                raise TransientError(f"{dag_id} {run_id}: {seen} after {timeout_s:.0f} s")
            time.sleep(poll_s)

    def tasks(self, dag_id: str, run_id: str) -> tuple[TaskInstance, ...]:
        """List the tasks of a run."""
        return tuple(
            TaskInstance(
                _text(each["task_id"]),
                int(str(each["map_index"])),
                _text(each["state"]),
                int(str(each["try_number"])),
            )
            for each in self.listed(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")
        )

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """The state of a task that is not mapped; None: there is no such run, or not any more."""
        try:
            found = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")
        except _NotFoundError:
            return None
        return _text(_object(found).get("state"))

    def xcom(self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Json:
        """Read what a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return _object(self.call("GET", path, map_index=str(map_index), deserialize="true"))["value"]

    def emit(self, asset_uri: str, extra: Mapping[str, Json] | None = None) -> None:
        """Say that an asset has changed; DAGs that wait for it will run.

        Raises:
            PermanentError: Airflow knows no asset of this URI.
        """
        found = [each for each in self.listed("/assets", "assets") if each["uri"] == asset_uri]
        if not found:
            raise PermanentError(f"{self.url}: no asset {asset_uri!r}; is the DAG that declares it loaded?")
        self.call("POST", "/assets/events", body={"asset_id": found[0]["id"], "extra": dict(extra or {})})

    def call(self, method: str, path: str, *, body: Json = None, **query: str) -> Json:
        """Send any request below `/api/v2`, logged in."""
        if not self._token:
            self.login()
        try:
            response = self._send(method, f"/api/v2{path}", query, body)
        except _UnauthorizedError:
            self.login()
            response = self._send(method, f"/api/v2{path}", query, body)
        return self._json(response) if response.content else None

    def listed(self, path: str, key: str, **query: str) -> list[dict[str, Json]]:
        """Read all pages of a list below `/api/v2`, whose rows are under `key`; the server's own page is 50 long."""
        found: list[dict[str, Json]] = []
        while True:
            page = _object(self.call("GET", path, limit="100", offset=str(len(found)), **query))
            rows = page[key]
            if not isinstance(rows, list) or not rows:
                return found
            found.extend(_object(row) for row in rows)
            total = page.get("total_entries")  # a server that does not tell has more until a page is empty
            if isinstance(total, int) and len(found) >= total:
                return found

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Json) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            response = self._http.request(method, path, params=query, json=body, headers=headers)
        except httpx.TransportError as error:
            raise TransientError(f"{self.url}{path}: Airflow does not answer: {error!r}") from error
        if response.is_success:
            return response
        message = f"{method} {self.url}{path}: {response.status_code} {response.text[:500]}"
        if response.status_code == _UNAUTHORIZED_STATUS:
            raise _UnauthorizedError(message)
        if response.status_code == _NOT_FOUND_STATUS:
            raise _NotFoundError(message)
        raise TransientError(message) if response.is_server_error else PermanentError(message)

    def _json(self, response: httpx.Response) -> Json:
        try:
            return cast(Json, response.json())
        except ValueError as error:
            raise PermanentError(f"{response.url}: expected JSON, got {response.text[:200]!r}") from error


class _UnauthorizedError(PermanentError):
    """The token has expired, or the password is not that of this server."""


class _NotFoundError(PermanentError):
    """There is nothing at this path."""


def _dag_run(found: Json) -> DagRun:
    run = _object(found)
    seconds = run.get("duration")
    return DagRun(
        _text(run["dag_id"]),
        _text(run["dag_run_id"]),
        _text(run["state"]),
        _text(run["run_type"]),
        float(seconds) if isinstance(seconds, int | float) else None,
    )


def _job(row: dict[str, Json]) -> Job:
    ended_well = row.get("end_date") is not None and row.get("state") == "success"
    began = datetime.fromisoformat(_text(row["start_date"]))
    return Job(_text(row["job_type"]), _text(row["hostname"]), began, ended_well)


def _object(found: Json) -> dict[str, Json]:
    return found if isinstance(found, dict) else {}


def _text(found: Json) -> str:
    return "" if found is None else str(found)
