import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import TransientError
from almanac.health.airflow_history import AirflowHistory
from almanac.health.ready_by import PipelineRun
from almanac.health.unreported_failures import FailedTask
from almanac.journal.records import RunRef
from almanac.monitoring.checks.dag_health import NextRun, TaskTiming, judge_dag_health, judge_latency
from almanac.monitoring.findings import Finding, State
from almanac.services.airflow_api import AirflowClient
from tests.monitoring.world import WEATHER, changed

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ON_TIME = NextRun(paused=False, due_at=NOW + timedelta(hours=1))


def run(
    number: int, *, state: str = "success", tries: int = 1, duration_s: float = 20.0, queued_s: float = 1.0
) -> TaskTiming:
    return TaskTiming("train", state, tries, NOW - timedelta(hours=number), duration_s, queued_s)


class Listed:
    """Task runs of `train_weather`; the other DAGs have none, and `score_weather` cannot be asked."""

    def __init__(self, runs: Sequence[TaskTiming], timing: NextRun = ON_TIME) -> None:
        self.runs = runs
        self.train_timing = timing

    def task_runs(self, dag_id: str, *, limit: int) -> Sequence[TaskTiming]:
        if dag_id == "score_weather":
            raise TransientError("http://127.0.0.1:1: Airflow does not answer")
        return self.runs if dag_id == "train_weather" else ()

    def timing(self, dag_id: str) -> NextRun:
        return self.train_timing if dag_id == "train_weather" else ON_TIME


def found(*runs: TaskTiming, timing: NextRun = ON_TIME, model: Model = WEATHER) -> dict[str, Finding]:
    return {one.subject: one for one in judge_dag_health(model, Listed(runs, timing), NOW)}


def test_judge_dag_health_all_well_is_fine() -> None:
    one = found(*(run(number) for number in range(1, 9)))["train_weather"]
    assert one.state is State.FINE
    assert one.text == "train_weather: 0 of 8 tasks failed (limit 20%), 0 were retried"


def test_judge_dag_health_many_failures_are_an_alarm() -> None:
    one = found(*(run(number, state="failed" if number < 4 else "success", tries=4) for number in range(1, 9)))
    assert one["train_weather"].state is State.ALARM
    assert one["train_weather"].figures["failed"] == pytest.approx(3 / 8)


def test_judge_dag_health_newest_run_slower_than_usual_warns() -> None:
    one = found(run(1, duration_s=100), *(run(number) for number in range(2, 9)))["train_weather"]
    assert one.state is State.WARNING
    assert one.text.endswith("train took 100 s, 20 s are usual")


def test_judge_dag_health_a_task_that_says_what_was_refused_is_no_failure() -> None:
    """One bad file has its own alert; that its run is red on purpose is not one more."""
    refused = [replace(run(number, state="failed"), task_id="report_rejections") for number in range(1, 9)]
    one = found(*refused, *(run(number) for number in range(1, 9)))["train_weather"]
    assert one.state is State.FINE
    assert one.text.startswith("train_weather: 0 of 8 tasks failed")


def hourly(number: int, **seconds: float) -> list[TaskTiming]:
    """One run: tasks that worked so long; those of 0 s were skipped."""
    at = NOW - timedelta(hours=number)
    return [
        TaskTiming(name, "success" if spent else "skipped", 1, at, spent, 1.0, f"run {number}")
        for name, spent in seconds.items()
    ]


def test_judge_dag_health_skipped_runs_are_not_what_is_usual() -> None:
    idle = [run for number in range(8, 60) for run in hourly(number, find=1, train=0)]
    busy = [run for number in range(1, 8) for run in hourly(number, find=1, train=59)]
    one = found(*busy, *idle)["train_weather"]
    assert one.state is State.FINE, one.text


def test_judge_dag_health_slow_among_skipped_runs_warns() -> None:
    idle = [run for number in range(8, 60) for run in hourly(number, find=1, train=0)]
    busy = [run for number in range(2, 8) for run in hourly(number, find=1, train=59)]
    one = found(*hourly(1, find=1, train=500), *busy, *idle)["train_weather"]
    assert one.text.endswith("train took 500 s, 59 s are usual")


def test_judge_dag_health_task_that_worked_in_a_run_without_work_is_not_what_is_usual() -> None:
    """A fetch of nothing is quick: only runs in which something came of it say how long a fetch takes."""
    idle = [run for number in range(8, 60) for run in hourly(number, fetch=1, find=0, train=0)]
    busy = [run for number in range(1, 8) for run in hourly(number, fetch=40, find=1, train=59)]
    one = found(*busy, *idle)["train_weather"]
    assert one.state is State.FINE, one.text


def test_judge_dag_health_slow_task_of_seconds_is_nobodys_concern() -> None:
    one = found(run(1, duration_s=8), *(run(number, duration_s=1) for number in range(2, 9)))["train_weather"]
    assert one.state is State.FINE


def test_judge_dag_health_long_wait_for_a_worker_warns() -> None:
    one = found(run(1, queued_s=1200), *(run(number) for number in range(2, 9)))["train_weather"]
    assert one.state is State.WARNING
    assert one.text.endswith("a task waited 0:20:00 for a worker (limit 10m)")


def test_judge_dag_health_many_retries_warn_although_all_ended_well() -> None:
    one = found(*(run(number, tries=2 if number < 4 else 1) for number in range(1, 9)))["train_weather"]
    assert one.state is State.WARNING
    assert one.text.endswith("38% of the tasks were retried (limit 30%)")


def test_judge_dag_health_scheduled_run_that_never_began_is_an_alarm_since_it_was_due() -> None:
    due = NOW - timedelta(hours=2)
    one = found(timing=NextRun(False, due))["train_weather timing"]
    assert (one.state, one.since) == (State.ALARM, due)
    assert one.text.startswith("train_weather: the run of 2024-05-31 22:00 UTC has not begun (limit 1h late)")


@pytest.mark.parametrize("due", [None, NOW - timedelta(minutes=50)])
def test_judge_dag_health_no_clock_or_a_little_late_is_no_matter(due: datetime | None) -> None:
    assert "train_weather timing" not in found(timing=NextRun(False, due))


def test_judge_dag_health_forgotten_pause_warns_unless_the_yaml_says_so() -> None:
    paused = NextRun(paused=True, due_at=None)
    assert found(timing=paused)["train_weather timing"].state is State.WARNING
    meant = changed(WEATHER, "pipelines", train={"enabled": False})
    assert "train_weather timing" not in found(timing=paused, model=meant)


def test_judge_latency_newest_window_much_slower_than_usual_warns() -> None:
    (one,) = judge_latency(WEATHER, (2000.0, None, 2200.0, 9000.0))
    assert one.state is State.WARNING
    assert one.text == "scoring a row takes 9000 µs, 2100 are usual, limit 3 times as long"


@pytest.mark.parametrize("medians", [(20.0, 90.0), (2000.0, 2500.0)])
def test_judge_latency_of_microseconds_or_as_usual_is_fine(medians: tuple[float, ...]) -> None:
    (one,) = judge_latency(WEATHER, medians)
    assert one.state is State.FINE


@pytest.mark.parametrize("medians", [(2000.0,), (2000.0, None), (None, 2000.0)])
def test_judge_latency_that_is_not_known_is_insufficient(medians: tuple[float | None, ...]) -> None:
    (one,) = judge_latency(WEATHER, medians)
    assert (one.state, one.about) == (State.INSUFFICIENT, ("latency",))


def test_judge_latency_without_windows_is_not_judged() -> None:
    assert judge_latency(WEATHER, ()) == ()


def test_judge_dag_health_dags_that_hardly_ran_are_insufficient_never_over() -> None:
    one = found(*(run(number, state="failed") for number in range(1, 4)))["DAGs"]
    assert one.state is State.INSUFFICIENT
    assert "train_weather 3" in one.text
    assert "train_weather" in one.about
    assert "train_weather" not in found(*(run(number) for number in range(1, 9)))["DAGs"].about


def test_judge_dag_health_few_or_old_runs_are_not_judged() -> None:
    assert "train_weather" not in found(*(run(number, state="failed") for number in range(1, 5)))
    assert "train_weather" not in found(*(run(24 * 8 + number, state="failed") for number in range(1, 9)))


def test_judge_dag_health_dag_that_cannot_be_asked_is_insufficient() -> None:
    one = found()["score_weather"]
    assert one.state is State.INSUFFICIENT
    assert "Airflow does not answer" in one.text


def test_judge_dag_health_nobody_to_ask_is_insufficient_never_fine() -> None:
    (one,) = judge_dag_health(WEATHER, None, NOW)
    assert one.state is State.INSUFFICIENT


def test_judge_dag_health_switched_off_finds_nothing() -> None:
    assert judge_dag_health(changed(WEATHER, "monitor.running", enabled=False), None, NOW) == ()


def answer(request: httpx.Request) -> httpx.Response:
    """Two pages of task instances, as Airflow 3 gives them."""
    if request.url.path == "/auth/token":
        return httpx.Response(201, json={"access_token": "t"})
    if request.url.path == "/api/v2/dags/train_weather":
        due = "2024-06-01T03:00:00Z"
        return httpx.Response(200, json={"is_paused": False, "next_dagrun_run_after": due, "next_dagrun": None})
    assert request.url.path == "/api/v2/dags/train_weather/dagRuns/~/taskInstances"
    offset = int(request.url.params["offset"])
    rows = [
        {
            "task_id": f"task{number}",
            "state": "success",
            "try_number": 2,
            "duration": 3.5,
            "queued_when": "2024-05-31T00:00:00Z",
            "start_date": "2024-05-31T00:00:02Z",
        }
        for number in range(offset, min(offset + 100, 120))
    ]
    return httpx.Response(200, json={"task_instances": rows, "total_entries": 120})


def test_airflow_history_reads_all_pages() -> None:
    client = AirflowClient("http://airflow", "admin", "p", transport=httpx.MockTransport(answer))
    runs = AirflowHistory(client).task_runs("train_weather", limit=200)
    assert len(runs) == 120
    started = datetime(2024, 5, 31, 0, 0, 2, tzinfo=UTC)
    assert runs[0] == TaskTiming("task0", "success", 2, started, 3.5, 2.0)


def test_airflow_history_knows_when_the_next_run_is_due() -> None:
    client = AirflowClient("http://airflow", "admin", "p", transport=httpx.MockTransport(answer))
    assert AirflowHistory(client).timing("train_weather") == NextRun(False, datetime(2024, 6, 1, 3, tzinfo=UTC))


def red_tasks(request: httpx.Request) -> httpx.Response:
    """One killed task, one that never began, and what came after, as Airflow 3 gives them."""
    if request.url.path == "/auth/token":
        return httpx.Response(201, json={"access_token": "t"})
    if request.url.path == "/api/v2/dags/train_weather":
        return httpx.Response(200, json={"tags": [{"name": "train"}, {"name": "weather"}]})
    row = {
        "task_id": "train",
        "dag_id": "train_weather",
        "dag_run_id": "manual__2024-05-31T00:00:00+00:00",
        "state": "failed",
        "try_number": 4,
        "start_date": "2024-05-31T00:00:02Z",
        "queued_when": None,
    }
    if request.url.path == "/api/v2/dags/train_weather/dagRuns/~/taskInstances":
        later = {**row, "dag_run_id": "later", "state": "skipped", "start_date": "2024-05-31T01:00:00Z"}
        rows = [later, row] if int(request.url.params["offset"]) == 0 else []
        return httpx.Response(200, json={"task_instances": rows, "total_entries": 2})
    if request.url.path.startswith("/api/v2/dags/train_weather/dagRuns/"):
        conf = {"version": "3"} if request.url.path.endswith("/later") else {}
        return httpx.Response(200, json={"partition_key": None, "conf": conf})
    assert request.url.path == "/api/v2/dags/~/dagRuns/~/taskInstances"
    assert request.url.params["state"] == "failed"
    assert request.url.params["end_date_gte"] == "2024-05-30T00:00:00+00:00"
    rows = [row, {**row, "task_id": "decide", "start_date": None}]
    return httpx.Response(200, json={"task_instances": rows, "total_entries": 2})


def test_airflow_history_knows_what_failed_where_to_look_and_what_was_made_good() -> None:
    client = AirflowClient("http://internal", "admin", "p", transport=httpx.MockTransport(red_tasks))
    history = AirflowHistory(client, "https://airflow.port.example/")
    (failed,) = history.failed_tasks(datetime(2024, 5, 30, tzinfo=UTC))
    started = datetime(2024, 5, 31, 0, 0, 2, tzinfo=UTC)
    run = RunRef("train_weather", "manual__2024-05-31T00:00:00+00:00", 4)
    page = "https://airflow.port.example/dags/train_weather/runs/manual__2024-05-31T00%3A00%3A00%2B00%3A00/tasks/train"
    assert failed == FailedTask(run, "train", started, page)
    assert history.tags("train_weather") == {"train", "weather"}
    assert not history.made_good(failed)  # what ended well later was about another thing
    of_version = replace(failed, run=RunRef("train_weather", "later"))
    assert history.scope_of(of_version.run) == "version 3"
    assert history.made_good(of_version)
    assert not history.made_good(replace(of_version, started_at=started + timedelta(hours=2)))


def test_airflow_history_reads_the_newest_runs_of_a_dag() -> None:
    def runs(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        assert request.url.path == "/api/v2/dags/train_weather/dagRuns"
        assert request.url.params["run_after_gte"] == "2024-05-30T00:00:00+00:00"
        assert request.url.params["order_by"] == "-run_after"
        queued = {"dag_run_id": "b", "state": "queued", "start_date": None, "end_date": None}
        ended = {**queued, "dag_run_id": "a", "state": "success", "start_date": "2024-05-31T00:00:02Z"}
        return httpx.Response(200, json={"dag_runs": [queued, {**ended, "end_date": "2024-05-31T00:01:00Z"}]})

    client = AirflowClient("http://airflow", "admin", "p", transport=httpx.MockTransport(runs))
    found = AirflowHistory(client).pipeline_runs("train_weather", datetime(2024, 5, 30, tzinfo=UTC))
    begun, ended = datetime(2024, 5, 31, 0, 0, 2, tzinfo=UTC), datetime(2024, 5, 31, 0, 1, tzinfo=UTC)
    assert found == [PipelineRun("b", "queued", None, None), PipelineRun("a", "success", begun, ended)]


def test_airflow_history_of_a_home_without_services_is_none(tmp_path: Path) -> None:
    assert AirflowHistory.of(Home(home=tmp_path)) is None
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "credentials.json").write_text(json.dumps({}))
    assert AirflowHistory.of(Home(home=tmp_path)) is None
