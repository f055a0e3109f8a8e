"""Every declared kind of trigger against a running Airflow: posted, closed, backfilled, published."""

from typing import Any

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.errors import PermanentError
from almanac.journal.records import DecisionKind
from almanac.services.airflow_api import DagRun
from tests.e2e.events import post_once
from tests.e2e.port import Port, finished
from tests.waiting import wait

pytestmark = pytest.mark.e2e


def test_dependency_another_model_s_dataset_triggers(harbour: Port) -> None:
    (run,) = wait(lambda: finished(harbour.runs("score_ships")), "ships to be triggered by weather's dataset")
    assert (run.run_type, run.state) == ("asset_triggered", "success")
    assert harbour.states(run) == {"score": "skipped"}


def test_window_backfill_closes_each_window_of_the_range(harbour: Port) -> None:
    body = {
        "dag_id": "window_weather",
        "from_date": "2021-01-01T00:00:00Z",
        "to_date": "2021-01-06T00:00:00Z",
        "max_active_runs": 4,
    }

    def begun() -> list[Any]:
        return harbour.airflow.listed("/backfills", "backfills", dag_id="window_weather")

    post_once(harbour.airflow, "/backfills", body, begun)
    runs = wait(lambda: finished(harbour.runs("window_weather")), "the backfill")
    assert [run.state for run in runs] == ["success"] * 6
    assert harbour.windows() == {**dict.fromkeys(range(1, 5), "done"), 5: "empty", 6: "empty"}
    triggered = wait(
        lambda: len(harbour.runs("score_weather")) >= 4 and harbour.runs("score_weather"), "scoring to be triggered"
    )
    assert len(triggered) == 4  # once for each window with rows, with its partition


def test_window_gaps_are_seen_in_one_command(harbour: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(harbour.home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(harbour.home.models))
    shown = CliRunner().invoke(app, ["windows", "weather"], env={"COLUMNS": "160"})
    assert shown.exit_code == 1
    assert shown.output.count(" gap ") == 2
    assert "from_date 2021-01-07T00:00:00Z  to_date 2021-01-08T00:00:00Z" in shown.output


def test_window_one_is_run_again_alone(harbour: Port) -> None:
    path = "/dags/window_weather/dagRuns"
    before, scored = len(harbour.runs("window_weather")), harbour.scored(3)
    again = {"logical_date": None, "partition_key": "2021-01-03T00:00:00"}
    post_once(harbour.airflow, path, again, lambda: harbour.runs("window_weather")[before:])
    runs = wait(lambda: finished(harbour.runs("window_weather")[before:]), "the window")
    assert [run.state for run in runs] == ["success"]
    wait(lambda: harbour.scored(3) == scored + 1, "scoring to be triggered for it again")
    with pytest.raises(PermanentError, match="expected the start of a window"):
        harbour.airflow.call("POST", path, body={"logical_date": None, "partition_key": "2021-01-03T05:00:00"})


def test_window_late_rows_reopen_it_and_trigger_its_listeners_again(harbour: Port) -> None:
    assert harbour.scored(5) == 0
    harbour.land("late", range(4, 5))
    wait(lambda: harbour.windows()[5] == "late", "5 January to be late")
    wait(lambda: harbour.scored(5) == 1, "scoring to be triggered for it")
    assert harbour.windows()[6] == "empty"


def test_event_accepted_triggers_with_the_clock_what_waits_for_both(harbour: Port) -> None:
    before = {run.run_id for run in harbour.runs("ingest_weather")}
    harbour.post({"station": "hamina", "height_m": 1.2})
    (run,) = wait(lambda: finished(harbour.runs("event_weather")), "the event to be checked")
    assert (run.state, harbour.states(run)["accept_tides"]) == ("success", "success")

    def triggered() -> DagRun | None:
        new = [each for each in harbour.runs("ingest_weather") if each.run_id not in before and each.finished]
        return next((each for each in new if each.run_type == "asset_triggered"), None)

    ingest = wait(triggered, "the ingest to be triggered by tides and minutely", 150)
    assert harbour.states(ingest)["find_batches"] == "skipped"  # green: no new data


def test_event_malformed_is_refused_recorded_and_red(harbour: Port) -> None:
    before = {run.run_id for run in harbour.runs("event_weather")}
    harbour.post({"station": "turku", "height": 1})
    new = wait(lambda: finished([r for r in harbour.runs("event_weather") if r.run_id not in before]), "the refusal")
    assert new[0].state == "failed"
    assert harbour.states(new[0])["accept_tides"] == "skipped"
    refused = harbour.journal.decisions("weather", DecisionKind.EVENT)[0]
    assert not refused.accepted
    assert refused.reasons[0] == "height: unknown field; declared are ['height_m', 'station']"
    assert refused.run.trigger == "asset_triggered: event_tides.weather"


def test_event_nobody_declared_is_refused_at_the_door(harbour: Port) -> None:
    with pytest.raises(PermanentError, match="no asset 'almanac://weather/events/storms'"):
        harbour.airflow.emit("almanac://weather/events/storms", {})
