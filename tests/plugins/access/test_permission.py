"""Tasks ask who may before they act, and take nothing for granted that another task has handed over."""

import shutil
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from almanac.config.grammar.payload import PayloadField
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.config.sections.triggers import EventTrigger
from almanac.errors import ApprovalError
from almanac.events.checking import accepted_payloads
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac_airflow import runs
from almanac_airflow.operators.archive import ArchiveOperator
from almanac_airflow.operators.base import InstallationOperator
from almanac_airflow.runs import run_context
from almanac_airflow.steps.training import train
from tests.monitoring.world import WEATHER

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
DECLARED = "approval: {users: [grace]}\n"
RESTORE = {"snapshot": "dataset/weather", "where": "live", "replace": True, "second": False, "use": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation in which grace alone approves."""
    models = tmp_path / "models"
    shutil.copytree(MODELS_FOLDER, models)
    (models / "_installation.yaml").write_text(DECLARED, "utf-8")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    return Home()


def starts(monkeypatch: pytest.MonkeyPatch, who: str, run_type: str = "manual") -> dict[str, Any]:
    """A run of this person; gives Airflow's context of its task."""
    run = SimpleNamespace(
        dag_id="d", run_id="r", run_type=SimpleNamespace(value=run_type), triggering_user_name=who, partition_key=None
    )
    context = {"triggering_asset_events": {}, "dag_run": run, "ti": SimpleNamespace(try_number=1)}
    monkeypatch.setattr("almanac_airflow.runs.get_current_context", lambda: context)
    monkeypatch.setattr("almanac_airflow.events.get_current_context", lambda: context)
    monkeypatch.setattr("almanac_airflow.access.credentials.backup_key", lambda: "key")
    return context


def call(file: str, dag_id: str, task_id: str) -> Any:
    """The function of a task, as a worker would call it."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags" / f"{file}.py"))
    assert bag.import_errors == {}
    task = bag.dags[dag_id].get_task(task_id)
    if not isinstance(task, InstallationOperator):
        return task.python_callable

    def execute(version: str = "", **handed: Any) -> Any:
        if version:
            task.version = version  # as Airflow puts the XCom there
        return task.execute({**runs.get_current_context(), "params": {}, **handed})

    return execute


FORMS: dict[str, tuple[str, str, str, str, dict[str, Any], tuple[Any, ...]]] = {
    "restore": ("restore", "restore", "restore", "almanac.backup.tasks.run_restore.run_restore", RESTORE, ()),
    "retention": (
        "retention",
        "retention",
        "sweep",
        "almanac.backup.tasks.run_retention.run_sweep",
        {"dry_run": False, "approve": True},
        ({},),
    ),
    "expiry": (
        "expire_outputs",
        "expire_outputs_weather",
        "expire",
        "almanac.cleanup.run_expiry.run_expiry",
        {"dry_run": False, "approve": True},
        ({"count": 1},),
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_form_actions_only_for_who_may_approve_it(home: Home, monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    file, dag_id, task_id, place, params, handed = form
    done: list[str] = []
    monkeypatch.setattr(place, lambda *_, **__: done.append("done"))
    task = call(file, dag_id, task_id)
    for who, run_type in (("eve", "manual"), ("grace", "backfill")):
        starts(monkeypatch, who, run_type)
        with pytest.raises(ApprovalError, match="Nothing was done"):
            task(*handed, params=params)
    assert done == []
    starts(monkeypatch, "grace")
    task(*handed, params=params)
    assert done == ["done"]


HARMLESS: dict[str, tuple[str, dict[str, Any]]] = {
    "a restore into a folder": ("restore", {**RESTORE, "where": "folder"}),
    "a sweep within its cap": ("retention", {"dry_run": False, "approve": False}),
    "a dry run": ("retention", {"dry_run": True, "approve": True}),
    "an expiry within its cap": ("expiry", {"dry_run": False, "approve": False}),
}


@pytest.mark.parametrize("case", HARMLESS.values(), ids=HARMLESS)
def test_form_that_asks_for_nothing_large_needs_nobody(
    home: Home, monkeypatch: pytest.MonkeyPatch, case: tuple[str, dict[str, Any]]
) -> None:
    file, dag_id, task_id, place, _, handed = FORMS[case[0]]
    done: list[str] = []
    monkeypatch.setattr(place, lambda *_, **__: done.append("done"))
    starts(monkeypatch, "eve")
    call(file, dag_id, task_id)(*handed, params=case[1])
    assert done == ["done"]


def test_archive_restore_asks_the_archive_for_a_live_restore_only_for_who_may_approve_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("almanac.backup.tasks.run_restore.request_restore_by_form", lambda *_, **__: [])
    request: Any = ArchiveOperator(task_id="thaw", home=home, look_again=None)  # type: ignore[arg-type]
    for_eve = starts(monkeypatch, "eve")
    with pytest.raises(ApprovalError):
        request.execute({**for_eve, "params": RESTORE})
    for_grace = starts(monkeypatch, "grace")
    assert request.execute({**for_grace, "params": RESTORE}) == []


def test_promotion_by_hand_takes_the_version_of_the_form_not_that_of_xcom(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def promoted(desk: Any, *, by_hand: str) -> Any:
        asked.append((desk.version, by_hand))
        return SimpleNamespace(accepted=False, reasons=("seen",))

    monkeypatch.setattr("almanac.release.approval.promote_as_answered", promoted)
    starts(monkeypatch, "grace")
    promote = call("promote", "promote_weather", "promote")
    for form in ({"version": "2", "reason": "the port asks"}, {"version": None, "reason": None}):
        with pytest.raises(AirflowSkipException, match="seen"):
            promote("3", params=form, outlet_events={})
    assert asked == [("2", "the port asks"), ("3", "")]


@pytest.mark.parametrize("who", ["grace", "eve"])
def test_proposal_by_hand_is_decided_by_who_may_and_asked_for_others(
    home: Home, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setattr("almanac_airflow.branching.go_on", lambda _, by_hand="": seen.setdefault("asked", by_hand))
    monkeypatch.setattr("almanac_airflow.branching.skip_approval", lambda version: seen.setdefault("nobody", version))
    monkeypatch.setattr("almanac.release.approval.record_answer", lambda *_: None)
    starts(monkeypatch, who)
    call("promote", "promote_weather", "propose")(params={"version": "2", "reason": "the port asks"})
    expected = {"grace": {"nobody": "2"}}
    assert seen == expected.get(
        who, {"asked": "the port asks; eve is not among the users who may approve alone (grace)"}
    )


def test_training_is_granted_by_the_journal_not_by_xcom(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    starts(monkeypatch, "eve")
    handed = {"accepted": True, "reasons": ["I say so"], "mode": "scratch"}
    journal, run = Journal(home.journal_url), RunRef("d", "r")
    for refused in (False, True):
        if refused:
            journal.record_decision(
                Decision("weather", DecisionKind.TRAINING, False, ("cooldown",), AT, run, "new_data")
            )
        with pytest.raises(AirflowSkipException, match="I say so"):
            train(run_context(home), WEATHER, handed, None, {"candidates": None, "overrides": None})


@pytest.mark.parametrize(
    ("file", "dag_id", "task_id", "handed"),
    [
        ("ingest", "ingest_weather", "find_batches", {"params": {"files": None}, "inlet_events": defaultdict(list)}),
        ("score", "score_weather", "score", {"params": {"since": None, "until": None}, "outlet_events": {}}),
        ("monitor", "monitor_weather", "watch", {}),
    ],
)
def test_pipeline_looks_at_what_woke_it_first(
    home: Home, monkeypatch: pytest.MonkeyPatch, file: str, dag_id: str, task_id: str, handed: dict[str, Any]
) -> None:
    def refuse(_context: Any, model: Any, kind: str) -> None:
        raise AirflowSkipException(f"{kind} of {model.name}: refused")

    monkeypatch.setattr("almanac_airflow.events.require_event", refuse)
    starts(monkeypatch, "eve", "asset_triggered")
    with pytest.raises(AirflowSkipException, match=f"{file} of weather: refused"):
        call(file, dag_id, task_id)(**handed)


@pytest.mark.parametrize("refused", [("no record of it",), ()])
def test_training_that_no_event_of_ours_woke_is_not_decided_by_the_policy(
    home: Home, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    from almanac_airflow.events import TriggeringEvents

    asked: list[str] = []
    answer = SimpleNamespace(
        decision=SimpleNamespace(accepted=True, reasons=("fresh",), figures={}, ask=()), mode="scratch"
    )
    monkeypatch.setattr("almanac_airflow.events.triggering_events", lambda *_: TriggeringEvents(refused=refused))
    monkeypatch.setattr(
        "almanac.training.training_run.decide_mode", lambda *_, **more: asked.append(more["trigger"]) or answer
    )
    starts(monkeypatch, "eve")
    form = {"reason": None, "mode": None, "candidates": None, "overrides": None}
    left: dict[str, Any] = {}
    running = {
        "ti": SimpleNamespace(try_number=1, dag_id="train_weather", run_id="r", xcom_push=left.__setitem__),
        "task": SimpleNamespace(downstream_task_ids={"train"}),
    }
    monkeypatch.setattr("almanac_airflow.branching.get_current_context", lambda: running)
    decide = call("train", "train_weather", "decide")
    if refused:
        with pytest.raises(DownstreamTasksSkipped) as skipped:
            decide(params=form)
        assert (skipped.value.tasks, left["return_value"]["accepted"], asked) == (["train"], False, [])
    else:
        assert (decide(params=form)["accepted"], asked) == (True, ["manual"])


def test_monitor_tasks_know_whether_they_act_on_an_answer() -> None:
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(str(REPOSITORY / "dags" / "monitor.py")).dags["monitor_weather"]
    for act in ("request_retrain", "put_previous_back", "stop_scoring"):
        assert dag.get_task(act).op_kwargs == {"as_answered": False}
        assert dag.get_task(f"a_person_decides.{act}_as_answered").op_kwargs == {"as_answered": True}


TIDES = WEATHER.model_copy(
    update={"triggers": {"tides": EventTrigger(kind="event", payload={"m": PayloadField(type="number", max=3)})}}
)


@pytest.mark.parametrize(
    ("run_id", "subject", "accepted", "payloads", "go_on"),
    [
        ("r", "tides", True, [{"m": 1}], [{"m": 1}]),
        ("r", "tides", True, [{"m": 1}, {"m": 2}], [{"m": 1}]),  # one was accepted, XCom has two
        ("r", "tides", True, [{"m": 9}], []),
        ("r", "tides", False, [{"m": 1}], []),
        ("r", "storms", True, [{"m": 1}], []),
        ("other", "tides", True, [{"m": 1}], []),
    ],
)
def test_accepted_payloads_are_those_of_the_journal_and_as_declared(
    home: Home, run_id: str, subject: str, accepted: bool, payloads: list[dict[str, object]], go_on: Any
) -> None:
    journal = Journal(home.journal_url)
    row = Decision("weather", DecisionKind.EVENT, accepted, ("checked",), AT, RunRef("event_weather", run_id), subject)
    journal.record_decision(row)
    found = accepted_payloads(TIDES, journal, "tides", payloads, run=RunRef("event_weather", "r"))
    assert found == go_on
