from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException
from almanac.operators.decision import AlarmDecision

from include.config.home import Home
from include.journal.journal import Journal
from include.journal.records import DecisionKind
from tests.monitoring.world import WEATHER, changed

RESULT = {
    "model_version": "3", "subject": "version 3", "reason": "F1 fell", "acts": {"ask": ["F1 fell"]},
    "markdown": "**bad**",
}  # fmt: skip


def context(result: dict[str, Any], run_id: str = "r") -> Any:
    task = SimpleNamespace(
        dag_id="monitor_weather", run_id=run_id, try_number=1, xcom_pull=lambda task_ids, **_: result, task_id="ask"
    )
    return {"ti": task, "task_instance": task}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlarmDecision:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return AlarmDecision(model=WEATHER, after="watch")


def answer(*options: str, by: str = "grace") -> dict[str, Any]:
    return {
        "chosen_options": list(options),
        "params_input": {"why": "port agrees"},
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
    assert found["acts"]["retrain"] == ["grace decided: retrain, stop_scoring", "port agrees", "F1 fell"]
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


def test_alarm_decision_has_a_form_for_the_reason() -> None:
    """Airflow drops every parameter of a question that is not marked as the task's own."""
    assert list(AlarmDecision(model=WEATHER, after="watch").params) == ["why"]


def test_alarm_decision_same_window_is_asked_about_once(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(HITLOperator, "execute", lambda _, context: asked.append(context["ti"].run_id))
    ask.execute(context(RESULT, "monday"))
    (asked_one,) = Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION)
    assert (asked_one.accepted, asked_one.ask) == (True, ("F1 fell",))
    ask.execute(context(RESULT, "monday"))  # tried again: it is its own question
    with pytest.raises(AirflowSkipException, match="asked already by run monday: a person is asked what to do"):
        ask.execute(context(RESULT, "tuesday"))
    ask.execute(context({**RESULT, "subject": "version 3, window to June"}, "wednesday"))
    assert asked == ["monday", "monday", "wednesday"]


def test_alarm_decision_answered_is_not_asked_again(ask: AlarmDecision) -> None:
    ask.execute_complete(context(RESULT, "monday"), answer("Nothing"))
    with pytest.raises(AirflowSkipException, match="asked already by run monday: grace decided: nothing; port agrees"):
        ask.execute(context(RESULT, "tuesday"))


def test_alarm_decision_only_declared_users_may_answer() -> None:
    model = changed(WEATHER, "approval", users=("7",))
    assert AlarmDecision(model=model, after="watch").assigned_users == [{"id": "7", "name": "7"}]


def test_alarm_decision_tried_again_after_the_answer_goes_on_with_it(ask: AlarmDecision) -> None:
    """Seen in a running Airflow: its scheduler took the task that had just been answered for lost."""
    ask.execute_complete(context(RESULT, "monday"), answer("Stop scoring"))
    found = ask.execute(context(RESULT, "monday"))
    assert found["acts"] == {"stop_scoring": ["grace decided: stop_scoring", "port agrees", "F1 fell"]}
    assert len(Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION)) == 1


def test_alarm_decision_tried_again_after_nothing_was_chosen_does_nothing(ask: AlarmDecision) -> None:
    ask.execute_complete(context(RESULT, "monday"), answer("Nothing"))
    assert ask.execute(context(RESULT, "monday"))["acts"] == {}
