"""What is skipped without being started, and what is left in XCom for those who go on."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import failure_key, failure_message
from almanac.config.home import Home
from almanac.errors import ConfigError, PermanentError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.run_context import RunContext
from almanac.release.approval import Desk
from almanac.release.route import Route, Way
from almanac_airflow import branching, runs
from almanac_airflow.branching import go_on, skip_approval, start_only
from almanac_airflow.operators import (
    MonitorOperator,
    PromoteModelOperator,
    PromotionApprovalOperator,
    RegisterModelOperator,
)
from tests.contexts import context_of
from tests.monitoring.world import WEATHER

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ROUTES = {
    Way.PROMOTE: ["ask"],
    Way.STAY: ["ask", "go_live"],
    Way.SHADOW: ["ask", "go_live"],
}


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the task has pushed to XCom."""
    pushed: dict[str, Any] = {}
    task = SimpleNamespace(xcom_push=pushed.__setitem__)
    monkeypatch.setattr(branching, "get_current_context", lambda: {"ti": task, "task": registering("ask", "go_live")})
    return pushed


def registering(*following: str) -> Any:
    """A task that registers, before one that asks and one that promotes, and others."""
    with DAG("d", schedule=None):
        first = RegisterModelOperator(task_id="register", model="weather", verdict={})
        for name in following:
            if name == "ask":
                first >> PromotionApprovalOperator(task_id=name, model=WEATHER, after="register")
            else:
                first >> PromoteModelOperator(task_id=name, model="weather", version="1")
        first >> MonitorOperator(task_id="monitor", model="weather")
    return first


def take(monkeypatch: pytest.MonkeyPatch, way: Way, *, by_hand: str = "") -> str:
    monkeypatch.setattr("almanac.release.route.route", lambda *_, **__: Route(way, ("because",)))
    monkeypatch.setattr("almanac.release.route.find_route", lambda *_, **__: Route(way, ("because",)))
    monkeypatch.setattr("almanac.release.comparison.compare", lambda *_, **__: "the comparison")
    nothing = SimpleNamespace()
    at = Desk(SimpleNamespace(name="weather"), "5", nothing, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]
    return go_on(at, by_hand=by_hand)


@pytest.mark.parametrize("way", ROUTES)
def test_go_on_skips_what_is_not_needed_and_leaves_the_version(
    monkeypatch: pytest.MonkeyPatch, left: dict[str, Any], way: Way
) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        take(monkeypatch, way)
    assert skipped.value.tasks == ROUTES[way]
    assert left == {"return_value": "5"}


@pytest.mark.parametrize("way", ROUTES)
def test_go_on_where_nothing_follows_returns_the_version(monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    monkeypatch.setattr(branching, "get_current_context", lambda: {"ti": None, "task": registering()})
    assert take(monkeypatch, way) == "5"


def test_go_on_to_a_person_leaves_the_comparison(monkeypatch: pytest.MonkeyPatch, left: dict[str, Any]) -> None:
    assert take(monkeypatch, Way.ASK) == "5"
    assert left == {"comparison": "the comparison"}


@pytest.mark.parametrize("way", [Way.STAY, Way.SHADOW, Way.ASK])
def test_go_on_by_hand_of_who_may_not_decide_alone_asks_whatever_the_rule_says(
    monkeypatch: pytest.MonkeyPatch, left: dict[str, Any], way: Way
) -> None:
    assert take(monkeypatch, way, by_hand="the port asks for it") == "5"


def test_go_on_by_hand_asks_nobody_where_the_rule_promotes(
    monkeypatch: pytest.MonkeyPatch, left: dict[str, Any]
) -> None:
    with pytest.raises(DownstreamTasksSkipped):
        take(monkeypatch, Way.PROMOTE, by_hand="the port asks for it")


def test_ask_nobody_skips_the_question_alone(left: dict[str, Any]) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        skip_approval("5")
    assert skipped.value.tasks == ["ask"]
    assert left == {"return_value": "5"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def events(monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    emitted = [
        SimpleNamespace(asset=SimpleNamespace(name="shadow_weather"), extra={"version": one}) for one in versions
    ]
    run = SimpleNamespace(
        dag_id="promote_weather",
        run_id="r",
        run_type=SimpleNamespace(value="asset_triggered"),
        triggering_user_name=None,
    )
    context = {"triggering_asset_events": {"s": emitted}, "dag_run": run, "ti": SimpleNamespace(try_number=1)}
    monkeypatch.setattr(runs, "get_current_context", lambda: context)


def context(journal: Journal) -> RunContext:
    return context_of(Home(), runs.current_run(), AT, journal=journal)


def verdict(journal: Journal, version: str, *, accepted: bool = True, at: datetime = AT) -> None:
    run, subject = RunRef("score_weather", "s"), f"weather@{version}"
    journal.record_decision(Decision("weather", DecisionKind.SHADOW, accepted, ("as good",), at, run, subject))


def test_version_param_of_a_person_is_the_version_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    events(monkeypatch)
    assert runs.version_param(context(journal), WEATHER, "5", "the port asks for it") == ("5", "the port asks for it")


def test_version_param_of_the_shadows_event_is_the_journals_newest_whatever_the_event_says(
    monkeypatch: pytest.MonkeyPatch, journal: Journal
) -> None:
    events(monkeypatch, "7")
    verdict(journal, "4")
    verdict(journal, "5")
    verdict(journal, "6", accepted=False)
    assert runs.version_param(context(journal), WEATHER, None, None) == ("5", "")


@pytest.mark.parametrize("kind", [DecisionKind.QUESTION, DecisionKind.APPROVAL, DecisionKind.PROMOTION])
def test_version_param_of_an_event_without_a_verdict_that_waits_is_refused_in_writing(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, kind: DecisionKind
) -> None:
    events(monkeypatch, "5")
    with pytest.raises(AirflowSkipException, match="an event of shadow_weather is refused: the journal has no version"):
        runs.version_param(context(journal), WEATHER, None, None)
    verdict(journal, "5")
    journal.record_decision(Decision("weather", kind, True, ("said",), AT, RunRef("promote_weather", "q"), "weather@5"))
    with pytest.raises(AirflowSkipException):
        runs.version_param(context(journal), WEATHER, None, None)
    (refused,) = journal.decisions("weather", DecisionKind.EVENT)
    assert (refused.accepted, refused.subject) == (False, "shadow_weather")


@pytest.mark.parametrize(("version", "reason"), [("5", None), (None, "because"), (None, None)])
def test_version_param_of_a_person_who_gives_half_of_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, version: str | None, reason: str | None
) -> None:
    events(monkeypatch)
    with pytest.raises(ConfigError, match="version and reason: give both; got version"):
        runs.version_param(context(journal), WEATHER, version, reason)


class Deciding:
    """A running task with two tasks behind it; Airflow holds what an earlier try has skipped."""

    dag_id, run_id, task_id = "monitor_weather", "r", "watch"

    def __init__(self, try_number: int = 1, *, skipped: tuple[str, ...] = ()) -> None:
        self.try_number, self._skipped = try_number, skipped
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, run_ids) == (self.dag_id, [self.run_id])
        return {self.run_id: {one: "skipped" if one in self._skipped else None for one in task_ids}}


def deciding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: Deciding) -> Deciding:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    operator = SimpleNamespace(downstream_task_ids={"stop", "ask"})
    run = SimpleNamespace(partition_key=None, conf={})
    monkeypatch.setattr(branching, "get_current_context", lambda: {"ti": task, "task": operator, "dag_run": run})
    return task


def test_start_only_skips_the_others_that_follow_and_leaves_the_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    task = deciding(monkeypatch, tmp_path, Deciding())
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        start_only(WEATHER, ["ask"], ["ask", "stop", "not in this DAG"], {"findings": 1})
    assert skipped.value.tasks == ["stop"]
    assert task.pushed == {"return_value": {"findings": 1}}


def test_start_only_of_all_skips_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deciding(monkeypatch, tmp_path, Deciding())
    assert start_only(WEATHER, ["ask", "stop"], ["ask", "stop"], 7) == 7


def test_start_only_in_a_later_try_that_needs_what_an_earlier_one_skipped_fails_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deciding(monkeypatch, tmp_path, Deciding(2, skipped=("stop",)))
    with pytest.raises(PermanentError, match=r"task watch of run r: stop must run.* Clear this task together with"):
        start_only(WEATHER, ["ask", "stop"], ["ask", "stop"], 7)


def test_start_only_in_a_later_try_that_needs_it_no_more_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deciding(monkeypatch, tmp_path, Deciding(2, skipped=("stop",)))
    with pytest.raises(DownstreamTasksSkipped):
        start_only(WEATHER, ["ask"], ["ask", "stop"], 7)


def test_start_only_ends_the_alert_of_a_skipped_task_that_failed_in_an_earlier_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deciding(monkeypatch, tmp_path, Deciding())
    journal = Journal(Home().journal_url)
    for name in ("stop", "ask"):
        failed = failure_message(
            model="weather", run=RunRef("monitor_weather", "q"), task_id=name, error="away", link="", now=AT
        )
        AlertLog(journal).record(failed, "failure", failure_key("monitor_weather", name), AT)
    with pytest.raises(DownstreamTasksSkipped):
        start_only(WEATHER, ["ask"], ["ask", "stop"], 7)
    assert AlertLog(journal).open_keys("weather", "failure") == {failure_key("monitor_weather", "ask")}
