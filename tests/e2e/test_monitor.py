"""The monitor in a running Airflow: a person is asked and answers by REST, and mails are read and taken on."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.journal.records import DecisionKind
from almanac.services.airflow_api import AirflowClient, DagRun
from almanac.services.services import Services
from tests.e2e.events import post_event
from tests.e2e.watched import Watched, declare
from tests.servers.mail import Mailbox, mail_server
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

READS_S = 3.0  # who answers within the second in which the task parks is asked again (Airflow 3.3)
ASK = "a_person_decides.ask"


class Office:
    """The world, the people's mailbox, and Airflow as they see it."""

    def __init__(self, world: Watched, airflow: AirflowClient, mailbox: Mailbox) -> None:
        self.world = world
        self.airflow = airflow
        self.mailbox = mailbox

    def watch(self) -> DagRun:
        return self.airflow.trigger("monitor_weather")

    def states(self, run: DagRun) -> dict[str, str]:
        return {task.task_id: task.state for task in self.airflow.tasks(run.dag_id, run.run_id)}

    def ended(self, run: DagRun) -> dict[str, str]:
        """Wait for the end of a run; what its tasks have come to."""
        assert self.airflow.wait(run.dag_id, run.run_id, timeout_s=180).state == "success", self.states(run)
        return self.states(run)

    def question(self, run: DagRun) -> dict[str, Any]:
        """Wait until the run asks, and read."""
        wait(lambda: self.states(run).get(ASK) == "awaiting_input", f"{run.run_id} to ask; {self.states(run)}")
        time.sleep(READS_S)
        asked: Any = self.airflow.call("GET", self.place(run))
        return asked

    def answer(self, run: DagRun, *options: str, why: str) -> dict[str, str]:
        body: Any = {"chosen_options": list(options), "params_input": {"why": why}}
        self.airflow.call("PATCH", self.place(run), body=body)
        return self.ended(run)

    def place(self, run: DagRun) -> str:
        return f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{ASK}/-1/hitlDetails"

    def almanac(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
        monkeypatch.setenv("ALMANAC_HOME", str(self.world.home.home))
        monkeypatch.setenv("ALMANAC_MODELS", str(self.world.home.models))
        return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}).output


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Two windows of a changed climate have passed; nobody has looked yet."""
    home = declare(Path(tmp_path_factory.mktemp("watched")))
    with mail_server() as mailbox:
        services = Services(home, extra={"AIRFLOW_CONN_ALMANAC_SMTP": mailbox.connection}, report=print)
        with services.running(), services.airflow() as airflow:
            world = Watched.of(services)
            world.time_passes(80, climate_changed=True)
            wait(lambda: {"monitor_weather", "train_weather", "alerts"} <= set(airflow.dag_ids()), "the DAGs")
            yield Office(world, airflow, mailbox)


@pytest.fixture(scope="module")
def first(office: Office) -> DagRun:
    """The first look: it asks."""
    run = office.watch()
    office.question(run)
    return run


def test_monitor_asks_with_figures_and_reports_that_it_waits(office: Office, first: DagRun) -> None:
    question = office.question(first)
    assert "performance is degraded in 2 consecutive windows" in question["body"]
    assert question["options"] == ["Nothing", "Ask for a retrain", "Put the previous version back", "Stop scoring"]
    assert list(question["params"]) == ["why"]
    assert sum("what should be done? A decision is needed" in one for one in office.mailbox.subjects) == 1


def test_monitor_runs_on_while_its_question_waits_and_asks_and_reports_no_second_time(
    office: Office, first: DagRun
) -> None:
    mails = len(office.mailbox.mails)
    states = office.ended(office.watch())
    assert (states["watch"], states[ASK]) == ("success", "skipped")
    assert office.states(first)[ASK] == "awaiting_input"
    assert len(office.mailbox.mails) == mails


def test_monitor_columns_that_drift_are_one_mail_that_the_command_line_takes_on(
    office: Office, first: DagRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [subject for subject in office.mailbox.subjects if subject.startswith("weather: drift of ")]
    assert len(sent) == 1
    shown = office.almanac(monkeypatch, "alerts", "list")
    (line,) = [line for line in shown.splitlines() if "drift of" in line]
    number = line.split("│")[1].strip()
    assert "acknowledged by ann" in office.almanac(monkeypatch, "alerts", "ack", number, "--by", "ann")
    assert "Acknowledged by ann" in office.almanac(monkeypatch, "alerts", "show", number)


def test_answer_retrain_emits_the_request_with_the_person_s_reason(office: Office, first: DagRun) -> None:
    states = office.answer(first, "Ask for a retrain", why="the wind has turned")
    assert states["a_person_decides.request_retrain_as_answered"] == "success"
    assert {states[f"a_person_decides.{act}_as_answered"] for act in ("put_previous_back", "stop_scoring")} == {
        "skipped"
    }
    asked = wait(lambda: office.world.journal.decisions("weather", DecisionKind.TRAINING), "training to be decided")[0]
    assert asked.subject == "retrain_request"
    assert asked.reasons[0].startswith("admin decided: retrain; the wind has turned; ")
    answered = office.world.journal.decisions("weather", DecisionKind.ACTION)[0]
    assert answered.reasons == ("admin decided: retrain", "the wind has turned")


def test_answer_given_ends_the_alert_that_it_was_waited_for(office: Office, first: DagRun) -> None:
    ended = wait(
        lambda: [one for one in office.mailbox.subjects if one.startswith("over: ") and "what should be done" in one],
        "the end of the waiting to be told",
    )
    assert len(ended) == 1


def test_answer_previous_puts_the_version_before_back_with_who_and_why(office: Office, first: DagRun) -> None:
    office.world.time_passes(30, climate_changed=True)
    run = office.watch()
    office.question(run)
    states = office.answer(run, "Put the previous version back", why="rain in the wrong hours")
    assert states["a_person_decides.put_previous_back_as_answered"] == "success"
    assert office.world.champion() == "1"
    left = office.world.registry.version("weather", "2")
    assert left.tags["almanac.rollback_reason"].startswith("admin decided: previous; rain in the wrong hours")


def test_answer_stop_scoring_skips_scoring_until_a_person_resumes_it(
    office: Office, first: DagRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(lambda: office.world.scored("1"), "the version that came back to score")
    run = office.watch()
    office.question(run)
    office.answer(run, "Stop scoring", why="better none than wrong ones")
    scored = office.airflow.trigger("score_weather")
    assert office.ended(scored)["score"] == "skipped"
    assert "better none than wrong ones" in office.almanac(monkeypatch, "scoring", "status", "weather")
    office.almanac(monkeypatch, "scoring", "resume", "weather", "--reason", "mended")
    assert office.ended(office.airflow.trigger("score_weather"))["score"] != "failed"


def test_question_whose_run_is_deleted_is_over(office: Office, first: DagRun) -> None:
    """No task of it is left that could say so; the watch over alerts does."""
    office.world.time_passes(30, climate_changed=True)
    run = office.watch()
    office.question(run)
    over = sum(one.startswith("over: ") and "what should be done" in one for one in office.mailbox.subjects)
    place = f"/dags/{run.dag_id}/dagRuns/{run.run_id}"
    office.airflow.call("PATCH", place, body={"state": "failed"})  # Airflow deletes none that is running
    office.airflow.call("DELETE", place)
    office.ended(office.airflow.trigger("alerts"))
    now = sum(one.startswith("over: ") and "what should be done" in one for one in office.mailbox.subjects)
    assert now == over + 1


def test_drift_that_is_over_is_reported_once_to_those_who_were_notified(office: Office, first: DagRun) -> None:
    office.world.time_passes(60)
    office.ended(office.watch())
    wait(lambda: any(one.startswith("over: weather: drift of") for one in office.mailbox.subjects), "its end")
    assert sum(one.startswith("over: weather: drift of") for one in office.mailbox.subjects) == 1


@pytest.fixture
def four_eyes(office: Office) -> Iterator[None]:
    """Anyone who starts a promotion by hand must not approve it alone; the next task that starts reads so."""
    path = office.world.home.models / "_installation.yaml"
    declared = path.read_text("utf-8")
    path.write_text(declared.replace("four_eyes: false", "four_eyes: true"), "utf-8")
    yield
    path.write_text(declared, "utf-8")


def refused(office: Office, run: DagRun) -> str:
    """That a run has promoted nothing and is red; gives what the journal says about it."""
    assert office.airflow.wait(run.dag_id, run.run_id, timeout_s=180).state == "failed", office.states(run)
    newest = office.world.journal.decisions("weather", DecisionKind.PROMOTION)[0]
    assert (newest.accepted, newest.run.run_id) == (False, run.run_id)
    return newest.reasons[0]


@pytest.mark.usefixtures("four_eyes")
@pytest.mark.parametrize("state", ["success", "skipped"])
def test_promotion_whose_question_is_marked_as_answered_by_rest_is_refused(
    office: Office, first: DagRun, state: str
) -> None:
    champion = office.world.champion()
    other = {"1": "2", "2": "1"}[champion]
    run = office.airflow.trigger("promote_weather", {"version": other, "reason": "I want it"})
    wait(lambda: office.states(run).get("approve") == "awaiting_input", f"the question; {office.states(run)}")
    time.sleep(READS_S)
    place = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/approve"
    office.airflow.call("PATCH", place, body={"new_state": state})
    assert "but the question of this run has no answer in the journal" in refused(office, run)
    assert office.world.champion() == champion
    tried = len(office.world.journal.decisions("weather", DecisionKind.PROMOTION))
    body: Any = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": ["promote"], "only_failed": False}
    office.airflow.call("POST", "/dags/promote_weather/clearTaskInstances", body=body)
    again = office.world.journal
    wait(lambda: len(again.decisions("weather", DecisionKind.PROMOTION)) > tried, "the cleared task to be refused")
    assert "no answer in the journal" in refused(office, run)
    assert office.world.champion() == champion
    question = again.decisions("weather", DecisionKind.QUESTION)[0]
    assert (question.subject, question.run.run_id) == (f"weather@{other}", run.run_id)
    assert question.reasons[0] == "admin started it by hand: I want it"


def test_monitor_whose_watch_is_marked_as_done_leads_to_nothing(office: Office, first: DagRun) -> None:
    """XCom says what the attacker likes; the journal has no finding of this run."""
    office.airflow.set_paused("monitor_weather", True)
    run = office.watch()
    place = f"/dags/{run.dag_id}/dagRuns/{run.run_id}"
    office.airflow.call("PATCH", f"{place}/taskInstances/watch", body={"new_state": "success"})
    xcom: Any = {"key": "return_value", "value": {"acts": {"stop_scoring": ["I say so"]}}, "map_index": -1}
    office.airflow.call("POST", f"{place}/taskInstances/watch/xcomEntries", body=xcom)
    office.airflow.set_paused("monitor_weather", False)
    states = office.ended(run)
    assert {states[act] for act in ("request_retrain", "put_previous_back", "stop_scoring")} == {"skipped"}


def test_retrain_request_that_somebody_posts_is_refused_in_writing(office: Office, first: DagRun) -> None:
    before = {run.run_id for run in office.airflow.runs("train_weather")}
    post_event(office.airflow, "almanac://weather/retrain_request", {"reason": "I say so"})
    new = wait(lambda: [one for one in office.airflow.runs("train_weather") if one.run_id not in before], "a run")
    assert office.ended(new[0])["train"] == "skipped"
    (decisions,) = [one for one in office.world.journal.decisions("weather", DecisionKind.EVENT) if not one.accepted]
    assert decisions.subject == "retrain_request_weather"
    assert "no record of monitor_weather asks for a retrain" in decisions.reasons[0]


def test_run_that_missed_its_deadline_is_reported_by_airflow_s_own_deadline_alert(office: Office) -> None:
    """Each of its runs takes longer than its second; each is reported once."""
    runs = [run.run_id for run in office.airflow.runs("train_weather")]

    def told() -> list[str]:
        return [run for run in runs for text in office.mailbox.texts("train_weather is late") if run in text]

    wait(lambda: set(told()) == set(runs), f"a mail for each of {runs}; there is {office.mailbox.subjects}")
    assert sorted(told()) == sorted(runs)
