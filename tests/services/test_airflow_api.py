import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from almanac.errors import PermanentError, TransientError
from almanac.services.airflow_api import AirflowClient, DagRun, Health, Job

RUN = {"dag_id": "d", "dag_run_id": "r", "state": "running", "run_type": "manual", "duration": None}


class FakeAirflow:
    """Answers as Airflow does; `tokens` are those that it still accepts."""

    def __init__(self) -> None:
        self.tokens = {"t1"}
        self.issued = 0
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/auth/token":
            if json.loads(request.content)["password"] != "right":
                return httpx.Response(401, json={"detail": "Invalid credentials"})
            self.issued += 1
            return httpx.Response(201, json={"access_token": f"t{self.issued}"})
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return httpx.Response(401, json={"detail": "Invalid JWT token"})
        return self.answers[f"{request.method} {request.url.path}"](request)


@pytest.fixture
def server() -> FakeAirflow:
    return FakeAirflow()


def client(server: FakeAirflow, said: str = "right") -> AirflowClient:
    return AirflowClient("http://airflow", "admin", said, transport=httpx.MockTransport(server))


def test_call_expired_token_logs_in_again(server):
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: httpx.Response(200, json=RUN)
    airflow = client(server)
    airflow.run("d", "r")
    server.tokens = {"t2"}

    assert airflow.run("d", "r") == DagRun("d", "r", "running", "manual", None)
    assert server.issued == 2


def test_call_wrong_password_is_permanent(server):
    with pytest.raises(PermanentError, match="401"):
        client(server, "wrong").run("d", "r")


def test_call_refused_request_is_permanent_and_says_why(server):
    server.answers["POST /api/v2/dags/d/dagRuns"] = lambda _: httpx.Response(404, json={"detail": "no such DAG"})

    with pytest.raises(PermanentError, match="no such DAG"):
        client(server).trigger("d")


def test_call_failing_server_is_transient(server):
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: httpx.Response(503)

    with pytest.raises(TransientError, match="503"):
        client(server).run("d", "r")


def test_call_no_answer_is_transient():
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    airflow = AirflowClient("http://airflow", "admin", "x", transport=httpx.MockTransport(refuse))

    with pytest.raises(TransientError, match="does not answer"):
        airflow.health()


def test_trigger_sends_conf_and_an_open_logical_date(server):
    server.answers["POST /api/v2/dags/d/dagRuns"] = lambda _: httpx.Response(200, json=RUN)

    client(server).trigger("d", {"force": True}, run_id="mine")

    assert json.loads(server.requests[-1].content) == {
        "logical_date": None,
        "conf": {"force": True},
        "dag_run_id": "mine",
    }


def test_wait_run_that_does_not_finish_is_transient(server):
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: httpx.Response(200, json=RUN)

    with pytest.raises(TransientError, match="still running after 0 s"):
        client(server).wait("d", "r", timeout_s=0.0, poll_s=0)


def test_wait_returns_a_failed_run(server):
    states = iter(["queued", "running", "failed"])
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: httpx.Response(200, json={**RUN, "state": next(states)})

    assert client(server).wait("d", "r", timeout_s=5, poll_s=0).state == "failed"


def test_wait_server_that_is_too_busy_once_is_asked_again(server):
    answers = iter([httpx.Response(503), httpx.Response(200, json={**RUN, "state": "success"})])
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: next(answers)

    assert client(server).wait("d", "r", timeout_s=5, poll_s=0).state == "success"


def test_wait_server_that_stays_away_is_transient_and_says_so(server):
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = lambda _: httpx.Response(503)

    with pytest.raises(TransientError, match=r"d r: GET .* 503 .*after 0 s"):
        client(server).wait("d", "r", timeout_s=0.0, poll_s=0)


def test_task_state_of_a_run_that_was_deleted_is_none(server):
    path = "GET /api/v2/dags/d/dagRuns/r/taskInstances/t"
    server.answers[path] = lambda _: httpx.Response(200, json={"state": "awaiting_input"})
    airflow = client(server)
    assert airflow.task_state("d", "r", "t") == "awaiting_input"
    server.answers[path] = lambda _: httpx.Response(404, json={"detail": "not found"})
    assert airflow.task_state("d", "r", "t") is None


def test_events_that_wait_for_a_run_are_seen_and_none_is_no_error(server):
    path = "GET /api/v2/dags/d/assets/queuedEvents"
    server.answers[path] = lambda _: httpx.Response(200, json={"queued_events": [{}], "total_entries": 1})
    airflow = client(server)
    assert airflow.has_queued_events("d")
    server.answers[path] = lambda _: httpx.Response(404, json={"detail": "not found"})
    assert not airflow.has_queued_events("d")


def test_unfinished_runs_are_those_that_are_queued_or_running(server):
    def answer(request: httpx.Request) -> httpx.Response:
        state = request.url.params["state"]
        return httpx.Response(
            200, json={"dag_runs": [{**RUN, "dag_run_id": state, "state": state}], "total_entries": 1}
        )

    server.answers["GET /api/v2/dags/~/dagRuns"] = answer
    assert [run.run_id for run in client(server).unfinished()] == ["queued", "running"]


def test_dag_ids_reads_all_pages(server):
    known = [{"dag_id": f"d{number:03}"} for number in range(130)]

    def page(request: httpx.Request) -> httpx.Response:
        start, size = (int(request.url.params[name]) for name in ("offset", "limit"))
        return httpx.Response(200, json={"dags": known[start : start + size], "total_entries": len(known)})

    server.answers["GET /api/v2/dags"] = page

    assert client(server).dag_ids() == tuple(each["dag_id"] for each in known)


def test_emit_unknown_asset_is_permanent(server):
    server.answers["GET /api/v2/assets"] = lambda _: httpx.Response(200, json={"assets": [], "total_entries": 0})

    with pytest.raises(PermanentError, match="no asset 'x-nothing'"):
        client(server).emit("x-nothing")


def test_emit_names_the_asset_by_its_id(server):
    assets = {"assets": [{"id": 7, "uri": "a"}, {"id": 8, "uri": "ab"}], "total_entries": 2}
    server.answers["GET /api/v2/assets"] = lambda _: httpx.Response(200, json=assets)
    server.answers["POST /api/v2/assets/events"] = lambda _: httpx.Response(200, json={})

    client(server).emit("ab", {"reason": "drift"})

    assert json.loads(server.requests[-1].content) == {"asset_id": 8, "extra": {"reason": "drift"}}


def test_health_process_never_seen_is_sick():
    found = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy"},
        "triggerer": {"status": None},
        "dag_processor": {"status": "unhealthy"},
    }
    airflow = AirflowClient(
        "http://airflow", "", "", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=found))
    )

    assert airflow.health() == Health("healthy", "healthy", "", "unhealthy")
    assert airflow.health().unhealthy == ("triggerer", "dag_processor")


@pytest.mark.parametrize("made", [True, False], ids=["after it made the run", "before it made the run"])
def test_trigger_airflow_fails_once_makes_one_run(server, made):
    runs: list[dict[str, object]] = []
    failures = iter([True])

    def post(request: httpx.Request) -> httpx.Response:
        failed = next(failures, False)
        if made or not failed:
            runs.append({**RUN, "dag_run_id": json.loads(request.content)["dag_run_id"]})
        return httpx.Response(500, text="database is locked") if failed else httpx.Response(200, json=runs[-1])

    server.answers["POST /api/v2/dags/d/dagRuns"] = post
    server.answers["GET /api/v2/dags/d/dagRuns"] = lambda _: httpx.Response(
        200, json={"dag_runs": runs, "total_entries": len(runs)}
    )

    with client(server) as airflow:
        started = airflow.trigger("d")

    assert [run["dag_run_id"] for run in runs] == [started.run_id]
    assert started.run_id.startswith("manual__")


def in_pages(rows: list[dict[str, object]], key: str, *, told: bool) -> Callable[[httpx.Request], httpx.Response]:
    """A server that gives two rows at a time, whatever is asked for; it may not tell how many there are."""

    def answer(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        total = {"total_entries": len(rows)} if told else {}
        return httpx.Response(200, json={key: rows[offset : offset + 2], **total})

    return answer


PROBLEM = {"filename": "f", "stack_trace": ""}
TASK = {"task_id": "t", "map_index": -1, "state": "success", "try_number": 1}
LISTS = {
    "import problems": ("/importErrors", "import_errors", PROBLEM, AirflowClient.import_problems),
    "dags": ("/dags", "dags", {"dag_id": "d"}, AirflowClient.dag_ids),
    "pools": ("/pools", "pools", {"name": "p"}, AirflowClient.pools),
    "runs": ("/dags/d/dagRuns", "dag_runs", RUN, lambda airflow: airflow.runs("d")),
    "tasks": (
        "/dags/d/dagRuns/r/taskInstances",
        "task_instances",
        TASK,
        lambda airflow: airflow.tasks("d", "r"),
    ),
}


@pytest.mark.parametrize("told", [True, False], ids=["with a total", "without"])
@pytest.mark.parametrize(("path", "key", "row", "ask"), LISTS.values(), ids=LISTS)
def test_every_list_with_small_pages_is_read_whole(server, path, key, row, ask, told: bool):
    server.answers[f"GET /api/v2{path}"] = in_pages([row] * 5, key, told=told)

    assert len(ask(client(server))) == 5


def test_emit_finds_an_asset_of_a_later_page(server):
    rows = [{"id": number, "uri": f"almanac://{number}"} for number in range(5)]
    server.answers["GET /api/v2/assets"] = in_pages(rows, "assets", told=True)
    server.answers["POST /api/v2/assets/events"] = lambda _: httpx.Response(200, json={})
    client(server).emit("almanac://4")

    assert json.loads(server.requests[-1].content)["asset_id"] == 4


def test_jobs_are_read_with_how_they_ended(server):
    row = {"job_type": "SchedulerJob", "hostname": "one", "start_date": "2026-11-30T01:00:00Z", "state": "success"}
    rows = [{**row, "end_date": None, "state": "running"}, {**row, "end_date": "2026-11-30T02:00:00Z"}]
    never = {**row, "start_date": None, "end_date": None}
    server.answers["GET /api/v2/jobs"] = lambda _: httpx.Response(200, json={"jobs": [*rows, never]})

    began = datetime(2026, 11, 30, 1, tzinfo=UTC)
    assert client(server).jobs("SchedulerJob") == (
        Job("SchedulerJob", "one", began, False),
        Job("SchedulerJob", "one", began, True),
    )
    assert dict(server.requests[-1].url.params) == {
        "job_type": "SchedulerJob",
        "order_by": "-start_date",
        "limit": "100",
    }
