"""The monitor DAG: what it may do by itself, and what only after a person's answer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import REPOSITORY, Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.scoring.pause import stop_scoring
from tests.plugins.operators.running import context_of_task, run

ACTIONS = ("retrain", "previous", "stop_scoring")
ASK = "a_person_decides.ask"
ACTS = ("request_retrain", "put_previous_back", "stop_scoring")


@pytest.fixture(scope="module")
def dag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags" / "monitor.py"))
    assert bag.import_errors == {}
    return bag.dags["monitor_weather"]


def test_monitor_actions_at_once_where_the_yaml_says_so(dag: Any) -> None:
    for name in ACTS:
        assert dag.get_task(name).upstream_task_ids == {"watch"}


def test_monitor_starts_by_its_findings_whatever_follows_it(dag: Any) -> None:
    watch = dag.get_task("watch")
    assert set(watch.starts.values()) == watch.downstream_task_ids
    assert watch.starts == {**dict(zip(ACTIONS, ACTS, strict=True)), "ask": ASK}


def test_monitor_actions_on_an_answer_only_after_it(dag: Any) -> None:
    assert dag.get_task(ASK).upstream_task_ids == {"watch"}
    for name in ACTS:
        assert dag.get_task(f"a_person_decides.{name}_as_answered").upstream_task_ids == {"a_person_decides.ask"}


def test_monitor_emits_only_events_of_what_it_does(dag: Any) -> None:
    emitted = {task.task_id: {asset.name for asset in task.outlets} for task in dag.tasks if task.outlets}
    assert emitted == {
        "request_retrain": {"retrain_request_weather"},
        "put_previous_back": {"champion_weather"},
        "a_person_decides.request_retrain_as_answered": {"retrain_request_weather"},
        "a_person_decides.put_previous_back_as_answered": {"champion_weather"},
    }


def test_score_skips_while_scoring_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setattr("almanac_airflow.runs.current_run", lambda: RunRef("score_weather", "s"))
    bag = DagBag(str(REPOSITORY / "dags" / "score.py"))
    score = bag.dags["score_weather"].get_task("score")
    at = {"run": RunRef("monitor_weather", "r"), "now": datetime(2024, 6, 1, tzinfo=UTC)}
    stop_scoring(Journal(Home().journal_url), "weather", reason="F1 fell", **at)
    with pytest.raises(AirflowSkipException, match=r"scoring was stopped at 2024-06-01 00:00 UTC: F1 fell\. Resume it"):
        run(score, context_of_task("score_weather", since=None, until=None))


def test_monitor_question_that_waits_for_days_stops_no_later_run(dag: Any) -> None:
    assert dag.max_active_runs > 1
    assert dag.get_task("watch").max_active_tis_per_dag == 1  # and no two look at the same rows
