from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from almanac.operators.decision import AlarmDecision

from include.config.home import Home
from include.journal.journal import Journal
from include.journal.records import DecisionKind
from tests.monitoring.world import WEATHER

RESULT = {"model_version": "3", "reason": "F1 fell", "acts": {"ask": ["F1 fell"]}, "markdown": "**bad**"}


def context(result: dict[str, Any]) -> Any:
    task = SimpleNamespace(
        dag_id="monitor_weather", run_id="r", try_number=1, xcom_pull=lambda task_ids, **_: result, task_id="ask"
    )
    return {"ti": task, "task_instance": task}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlarmDecision:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return AlarmDecision(model=WEATHER, after="watch")


def answer(*options: str, by: str = "grace") -> dict[str, Any]:
    return {
        "chosen_options": list(options),
        "params_input": {"reason": "port agrees"},
        "responded_at": datetime(2024, 6, 1, tzinfo=UTC),
        "responded_by_user": {"id": by, "name": by} if by else None,
        "timedout": not by,
    }


def test_alarm_decision_nobody_is_asked_skips(ask: AlarmDecision) -> None:
    with pytest.raises(AirflowSkipException, match="nothing that a person is to decide"):
        ask.execute(context({**RESULT, "acts": {"retrain": ["F1 fell"]}}))


def test_alarm_decision_answer_becomes_acts_and_stands_in_the_journal(ask: AlarmDecision) -> None:
    found = ask.execute_complete(context(RESULT), answer("Ask for a retrain", "Stop scoring"))
    assert set(found["acts"]) == {"retrain", "stop_scoring"}
    assert found["acts"]["retrain"] == ["grace decided: port agrees", "F1 fell"]
    (decision,) = Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION)
    assert decision.reasons == ("grace decided: retrain, stop_scoring", "port agrees")
    assert (decision.accepted, decision.subject, decision.run.started_by) == (True, "version 3", "grace")


def test_alarm_decision_nothing_chosen_does_nothing(ask: AlarmDecision) -> None:
    assert ask.execute_complete(context(RESULT), answer("Nothing"))["acts"] == {}


def test_alarm_decision_nobody_answered_does_nothing_and_says_so(ask: AlarmDecision) -> None:
    assert ask.execute_complete(context(RESULT), answer("Nothing", by=""))["acts"] == {}
    (decision,) = Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION)
    assert decision.reasons[0] == "nobody answered in time: nothing is done"
    assert not decision.accepted


def test_alarm_decision_no_answer_means_nothing() -> None:
    assert AlarmDecision(model=WEATHER, after="watch").defaults == ["Nothing"]
