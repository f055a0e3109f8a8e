from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.monitoring.actions import PlannedAction
from almanac.monitoring.execute_actions import alarm_of, find_requested, record_actions
from almanac.monitoring.result import MonitorResult, MonitorVerdict
from almanac_airflow.operators.decision import AlarmDecision
from tests.contexts import context_of
from tests.monitoring.world import WEATHER, changed

MAY = datetime(2024, 5, 31, tzinfo=UTC)


def context(
    run_id: str = "r", *, subject: str = "version 3", acts: tuple[str, ...] = ("ask",), starter: str = ""
) -> Any:
    """Of a run of the monitor whose `watch` has written what must be done."""
    run, journal = RunRef("monitor_weather", run_id), Journal(Home().journal_url)
    if not journal.decisions("weather", DecisionKind.ALARM, run=run):
        for act in acts:
            figures = {act: 1.0, "version": 3.0}
            journal.record_decision(
                Decision("weather", DecisionKind.ALARM, True, ("F1 fell",), MAY, run, subject, figures)
            )
    task = SimpleNamespace(dag_id=run.dag_id, run_id=run_id, try_number=1, task_id="ask")
    dag_run = SimpleNamespace(
        dag_id=run.dag_id, run_id=run_id, run_type=SimpleNamespace(value="scheduled"), triggering_user_name=starter
    )
    return {"ti": task, "task_instance": task, "dag_run": dag_run, "triggering_asset_events": {}}


def asked_in(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch, run_id: str = "r", **more: Any) -> Any:
    """The context of a run in which a person was asked."""
    found = context(run_id, **more)
    with monkeypatch.context() as parked:
        parked.setattr(HITLOperator, "execute", lambda *_: None)
        ask.execute(found)
    return found


def wanted(action: str, run_id: str = "r", model: Model = WEATHER) -> Any:
    """What the tasks after it find in the journal: the reasons, or why nothing is done."""
    run = RunRef("monitor_weather", run_id)
    found = find_requested(context_of(Home(), run), model, action, as_answered=True)
    return found if isinstance(found, str) else found.reasons


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlarmDecision:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return AlarmDecision(model=WEATHER, after="watch")


def answer(*options: str, by: str = "grace", id: str = "7", at: datetime | None = None) -> dict[str, Any]:
    return {
        "chosen_options": list(options),
        "params_input": {"why": "port agrees"},
        "responded_at": at or datetime.now(UTC),
        "responded_by_user": {"id": id, "name": by} if by else None,
        "timedout": not by,
    }


def answers() -> list[Decision]:
    return [one for one in Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION) if not one.ask]


def test_alarm_decision_nobody_is_asked_skips(ask: AlarmDecision) -> None:
    with pytest.raises(AirflowSkipException, match="nothing that a person is to decide"):
        ask.execute(context(acts=("retrain",)))


def test_alarm_decision_answer_stands_in_the_journal_where_those_who_act_find_it(
    ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.execute_complete(asked_in(ask, monkeypatch), answer("Ask for a retrain", "Stop scoring"))
    assert wanted("retrain") == ("grace decided: retrain, stop_scoring", "port agrees", "F1 fell")
    assert wanted("stop_scoring") == wanted("retrain")
    assert wanted("previous") == "the answer does not require it"
    (decision,) = answers()
    assert decision.reasons == ("grace decided: retrain, stop_scoring", "port agrees")
    assert (decision.accepted, decision.subject, decision.run.started_by) == (True, "version 3", "grace")


def test_alarm_decision_nothing_chosen_does_nothing(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch) -> None:
    ask.execute_complete(asked_in(ask, monkeypatch), answer("Nothing"))
    assert {wanted(act) for act in ("retrain", "previous", "stop_scoring")} == {"the answer does not require it"}


def test_alarm_decision_nobody_answered_does_nothing_and_says_so(
    ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.execute_complete(asked_in(ask, monkeypatch), answer("Nothing", by=""))
    assert wanted("retrain") == "the answer does not require it"
    (decision,) = answers()
    assert decision.reasons[0] == "no answer in time: nothing is done"
    assert not decision.accepted


def test_alarm_decision_no_answer_means_nothing() -> None:
    assert AlarmDecision(model=WEATHER, after="watch").defaults == ["Nothing"]


def test_alarm_decision_has_a_form_for_the_reason() -> None:
    """Airflow drops every parameter of a question that is not marked as the task's own."""
    assert list(AlarmDecision(model=WEATHER, after="watch").params) == ["why"]


def test_alarm_decision_same_window_is_asked_about_once(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(HITLOperator, "execute", lambda _, context: asked.append(context["ti"].run_id))
    ask.execute(context("monday"))
    (asked_one,) = Journal(Home().journal_url).decisions("weather", DecisionKind.ACTION)
    assert (asked_one.accepted, asked_one.ask) == (True, ("F1 fell",))
    assert asked_one.expires_at == asked_one.decided_at + WEATHER.monitor.answer_within
    ask.execute(context("monday"))  # tried again: it is its own question
    with pytest.raises(AirflowSkipException, match="asked already by run monday: a person is asked to decide"):
        ask.execute(context("tuesday"))
    ask.execute(context("wednesday", subject="version 3, window to June"))
    assert asked == ["monday", "monday", "wednesday"]


def test_alarm_decision_answered_is_not_asked_again(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch) -> None:
    ask.execute_complete(asked_in(ask, monkeypatch, "monday"), answer("Nothing"))
    with pytest.raises(AirflowSkipException, match="asked already by run monday: grace decided: nothing; port agrees"):
        ask.execute(context("tuesday"))


def test_alarm_decision_only_declared_users_may_answer() -> None:
    model = changed(WEATHER, "approval", users=("7",))
    assert AlarmDecision(model=model, after="watch").assigned_users == [{"id": "7", "name": "7"}]


def test_alarm_decision_tried_again_after_the_answer_goes_on_with_it(
    ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in a running Airflow: its scheduler took the task that had just been answered for lost."""
    ask.execute_complete(asked_in(ask, monkeypatch, "monday"), answer("Stop scoring"))
    assert ask.execute(context("monday")) == ["grace decided: stop_scoring", "port agrees"]
    assert wanted("stop_scoring", "monday")[0] == "grace decided: stop_scoring"
    assert len(answers()) == 1


# What walks around the question. Each of these answers would be taken but for the one guard.


def test_alarm_decision_marked_as_answered_leads_to_nothing(
    ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in(ask, monkeypatch)
    assert wanted("previous") == "nothing is done: the question of this run has no answer in the journal"


def test_alarm_decision_watch_marked_as_done_leads_to_nothing(ask: AlarmDecision) -> None:
    run = RunRef("monitor_weather", "r")
    for answered in (True, False):
        found = find_requested(context_of(Home(), run), WEATHER, "retrain", as_answered=answered)
        assert found == "no finding requires it: the journal has no such finding of this run"


def test_alarm_decision_answer_of_another_run_does_not_count(
    ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask.execute_complete(asked_in(ask, monkeypatch, "monday"), answer("Stop scoring"))
    context("tuesday")
    assert wanted("stop_scoring", "tuesday") == "nothing is done: no question of this run is in the journal"


def test_alarm_decision_answer_of_somebody_else_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    model = changed(WEATHER, "approval", users=("8",))
    ask = AlarmDecision(model=model, after="watch")
    text = ask.execute_complete(asked_in(ask, monkeypatch), answer("Stop scoring"))
    assert text[0] == "does not count: grace may not answer; got the user 7/grace, expected one of 8"
    assert not answers()[0].accepted
    assert wanted("stop_scoring", model=model).startswith("nothing is done: grace may not answer")


def test_alarm_decision_late_answer_does_not_count(ask: AlarmDecision, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.now(UTC) + WEATHER.monitor.answer_within + timedelta(hours=1)
    text = ask.execute_complete(asked_in(ask, monkeypatch), answer("Stop scoring", at=late))
    assert text[0].startswith("does not count: the answer came at ")
    assert wanted("stop_scoring").startswith("nothing is done: the answer came at ")


def test_alarm_decision_with_four_eyes_who_started_the_run_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    ask = AlarmDecision(model=changed(WEATHER, "approval", four_eyes=True), after="watch")
    text = ask.execute_complete(asked_in(ask, monkeypatch, starter="Grace"), answer("Stop scoring"))
    assert text[0] == "does not count: four eyes: grace started this run, so somebody else must answer"


def test_alarm_actions_of_the_newest_try_count(ask: AlarmDecision) -> None:
    run, journal = RunRef("monitor_weather", "r"), Journal(Home().journal_url)
    result = MonitorResult(
        "weather", MonitorVerdict.QUIET, ("fine",), MAY, actions=(PlannedAction("retrain", ("F1 fell",)),)
    )
    record_actions(journal, result, run)
    assert alarm_of(journal, "weather", "retrain", run)
    record_actions(journal, replace(result, actions=(), monitored_at=MAY + timedelta(minutes=1)), run)
    assert alarm_of(journal, "weather", "retrain", run) is None
