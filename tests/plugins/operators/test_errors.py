"""Each class fails, skips and retries as its docstring says."""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, RetryAction
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.checks.check_table import FailedCheckError, TableVerdict
from almanac.data.ingest.ingest import RejectedFilesError
from almanac.errors import AlmanacError, ApprovalError, ConfigError, DataError, IntegrityError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.scoring.pause import stop_scoring
from almanac_airflow import operators as of
from tests.plugins.operators.running import context_of_task, extras, run

AT = datetime(2026, 6, 1, tzinfo=UTC)
DECLARED = """\
approval: {users: [grace]}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation in which grace alone approves; its registry is empty."""
    models = tmp_path / "models"
    shutil.copytree(MODELS_FOLDER, models)
    (models / "_installation.yaml").write_text(DECLARED, "utf-8")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("almanac_airflow.access.credentials.find_reserved", lambda _: None)
    return Home()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    fake = SimpleNamespace(aliases=lambda _: {}, champion=lambda _: None)
    monkeypatch.setattr("almanac.registry.store.Registry.of", lambda _home: fake)
    return fake


def task(kind: Any, **more: Any) -> Any:
    with DAG("their_dag", schedule=None):
        return kind(task_id="one", **more)


def permanent(operator: Any, error: AlmanacError) -> bool:
    return operator.retry_policy.evaluate(error, 1, 3).action is RetryAction.FAIL


def land(home: Home, name: str, content: str) -> None:
    folder = Path(home.landing_of("weather"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    hour_ago = time.time() - 3600
    os.utime(folder / name, (hour_ago, hour_ago))


def test_fetch_preview_fetches_nothing_and_a_model_of_files_is_named() -> None:
    assert run(task(of.FetchOperator, model="weather", preview=True), context_of_task()) == {}
    with pytest.raises(ConfigError, match="no model 'nobody'"):
        run(task(of.FetchOperator, model="nobody"), context_of_task())


def test_ingest_without_new_files_is_skipped() -> None:
    with pytest.raises(AirflowSkipException, match="no new data"):
        run(task(of.IngestOperator, model="weather"), context_of_task())


def test_ingest_preview_is_skipped_and_leaves_the_file(home: Home) -> None:
    land(home, "a.csv", "broken")
    with pytest.raises(AirflowSkipException, match=r"dry run: would take .*a\.csv"):
        run(task(of.IngestOperator, model="weather", preview=True), context_of_task())
    assert Journal(home.journal_url).arrivals("weather") == {}


@pytest.mark.parametrize("on_rejection", ["fail", "warn"])
def test_ingest_of_a_rejected_file_fails_at_once_or_is_skipped_where_nothing_was_published(
    home: Home, on_rejection: str
) -> None:
    land(home, "a.csv", "Timestamp,what\n1,2\n")
    ingest = task(of.IngestOperator, model="weather", on_rejection=on_rejection)
    expected: Any = RejectedFilesError if on_rejection == "fail" else AirflowSkipException
    with pytest.raises(expected) as raised:
        run(ingest, context := context_of_task())
    assert extras(context) == {}
    assert on_rejection == "warn" or (permanent(ingest, raised.value) and "Report: " in str(raised.value))


@pytest.mark.parametrize("on_failure", ["fail", "warn"])
def test_validate_of_a_table_that_does_not_pass_leaves_the_verdict(
    monkeypatch: pytest.MonkeyPatch, on_failure: str
) -> None:
    verdict = TableVerdict("weather", "t", 3, False, 2, 1, 1, {"x.range": 1}, ("1 of 2 rows are bad.",), ())
    monkeypatch.setattr("almanac_airflow.steps.validation.validate", lambda *_: verdict)
    validate = task(of.ValidateOperator, model="weather", uri="t", on_failure=on_failure)
    if on_failure == "warn":
        assert run(validate, context_of_task()) == verdict.to_json()
        return
    with pytest.raises(FailedCheckError, match="1 of 2 rows are bad") as raised:
        run(validate, context := context_of_task())
    assert permanent(validate, raised.value)
    assert context["pushed"] == {"return_value": verdict.to_json()}


def test_validate_of_a_file_that_cannot_be_read_fails_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("Timestamp,what\n1,2\n")
    given = {"model": "weather", "uri": str(tmp_path / "x.csv")}
    for on_failure in ("fail", "warn"):  # that it cannot be read at all is no verdict
        with pytest.raises(DataError) as raised:
            run(task(of.ValidateOperator, **given, on_failure=on_failure), context_of_task())
        assert not isinstance(raised.value, FailedCheckError)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"version": "last"}, "version: got 'last', expected a whole number"),
        ({"since": "yesterday"}, "not a time; got 'yesterday'"),
        ({"until": "2024-01-01"}, "a time without an offset"),
    ],
)
def test_validate_names_a_parameter_that_cannot_be_read(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        run(task(of.ValidateOperator, model="weather", uri="/nowhere", **more), context_of_task())


def test_train_without_a_dataset_fails_at_once(registry: Any) -> None:
    train = task(of.TrainOperator, model="weather")
    with pytest.raises(DataError) as raised:
        run(train, context_of_task())
    assert permanent(train, raised.value)


def test_train_asks_the_policy_unless_told_not_to(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    asked: list[tuple[str, str]] = []

    def decide(*_: Any, trigger: str, reason: str, **__: Any) -> Any:
        asked.append((trigger, reason))
        decision = SimpleNamespace(accepted=False, reasons=("cooldown",), figures={}, ask=())
        return SimpleNamespace(decision=decision, mode="scratch")

    monkeypatch.setattr("almanac.training.training_run.decide_mode", decide)
    for more in ({}, {"ask_policy": False}, {"ask_policy": False, "reason": "new sensors"}):
        scheduled = context_of_task("port_training")
        scheduled["dag_run"].run_type.value = "scheduled"
        with pytest.raises(AirflowSkipException, match="cooldown"):
            run(task(of.TrainOperator, model="weather", **more), scheduled)
    assert asked == [
        ("schedule", "the schedule"),
        ("manual", "port_training trains without asking the policy"),
        ("manual", "new sensors"),
    ]


def test_train_with_a_decision_of_another_task_is_granted_by_the_journal_alone(registry: Any) -> None:
    said = {"accepted": True, "reasons": ["I say so"], "mode": "scratch"}
    with pytest.raises(AirflowSkipException, match="I say so"):
        run(task(of.TrainOperator, model="weather", decision=said), context_of_task())


@pytest.mark.parametrize(("until", "words"), [("", "trained_until: got nothing"), ("2024-01-01", "without an offset")])
def test_export_without_a_usable_end_of_training_fails(until: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        run(task(of.ExportOnnxOperator, model="weather", mlflow_run_id="a", trained_until=until), context_of_task())


def test_gates_of_a_candidate_that_is_not_there_fail_at_once(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    from almanac.errors import RegistryError

    def missing(_: str) -> None:
        raise RegistryError("no such run")

    registry.logged = missing
    judge = task(of.EvaluateGatesOperator, model="weather", mlflow_run_id="abc")
    with pytest.raises(RegistryError, match="no such run") as raised:
        run(judge, context_of_task())
    assert permanent(judge, raised.value)


def test_register_of_a_refused_candidate_is_skipped(registry: Any) -> None:
    verdict = {"accepted": False, "reasons": ["F1 too low"], "mlflow_run_id": "abc"}
    with pytest.raises(AirflowSkipException, match="F1 too low"):
        run(task(of.RegisterModelOperator, model="weather", verdict=verdict), context_of_task())


def test_promote_ignores_the_form_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    seen: list[tuple[str, str]] = []

    def promoted(desk: Any, *, by_hand: str) -> Any:
        seen.append((desk.version, by_hand))
        return SimpleNamespace(accepted=len(seen) > 1, reasons=("stays",))

    monkeypatch.setattr("almanac.release.approval.promote_as_answered", promoted)
    form = {"version": "9", "reason": "mine"}
    with pytest.raises(AirflowSkipException, match="stays"):
        run(task(of.PromoteModelOperator, model="weather", version="3"), context_of_task(**form))
    context = context_of_task(**form)
    run(task(of.PromoteModelOperator, model="weather", version="3", from_form=True), context)
    assert seen == [("3", ""), ("9", "mine")]
    assert extras(context) == {"champion_weather": {"version": "9"}}


def test_rollback_without_a_reason_fails_and_changes_nothing(registry: Any) -> None:
    with pytest.raises(ConfigError, match="a rollback needs a reason; got none"):
        run(task(of.RollbackOperator, model="weather"), context_of_task(reason="of something else"))


def test_rollout_that_is_not_there_is_skipped_and_a_move_needs_a_reason(registry: Any) -> None:
    with pytest.raises(AirflowSkipException, match="no rollout is under way"):
        run(task(of.ContinueRolloutOperator, model="weather"), context_of_task())
    with pytest.raises(ConfigError, match="abort needs a reason; got none"):
        run(task(of.ContinueRolloutOperator, model="weather", move="abort"), context_of_task())
    with pytest.raises(ConfigError, match="no rollout is under way, so there is none to abort"):
        run(task(of.ContinueRolloutOperator, model="weather", move="abort", reason="bad"), context_of_task())


def test_rollout_announces_the_champion_at_its_end_only(monkeypatch: pytest.MonkeyPatch, registry: Any) -> None:
    states = iter([RolloutState.STEP, RolloutState.DONE])

    def looked(*_: Any, **__: Any) -> RolloutTransition:
        return RolloutTransition("weather", 1, 1, "5", "4", next(states), 1, 0.05, 1, "well", AT, RunRef("r", "r"))

    monkeypatch.setattr("almanac.release.rollout.continue_rollout", looked)
    with pytest.raises(AirflowSkipException, match=r"weather/1: step, step 1, share 5%: well"):
        run(task(of.ContinueRolloutOperator, model="weather"), context_of_task())
    context = context_of_task()
    run(task(of.ContinueRolloutOperator, model="weather"), context)
    assert extras(context) == {"champion_weather": {"version": "5", "reason": "well"}}


def test_score_while_scoring_is_stopped_is_skipped(home: Home) -> None:
    stop_scoring(Journal(home.journal_url), "weather", reason="F1 fell", run=RunRef("m", "r"), now=AT)
    with pytest.raises(AirflowSkipException, match="F1 fell"):
        run(task(of.ScoreOperator, model="weather"), context_of_task())


def test_score_of_a_time_without_an_offset_fails(home: Home) -> None:
    with pytest.raises(ConfigError, match="a time without an offset"):
        run(task(of.ScoreOperator, model="weather", since="2024-01-01"), context_of_task())


def test_monitor_of_an_event_that_nobody_has_recorded_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AirflowSkipException("refused")

    monkeypatch.setattr("almanac_airflow.events.require_event", refuse)
    with pytest.raises(AirflowSkipException, match="refused"):
        run(task(of.MonitorOperator, model="weather"), context_of_task())


def test_backup_of_nothing_is_skipped_and_of_no_subject_fails(registry: Any, tmp_path: Path) -> None:
    with pytest.raises(AirflowSkipException, match="nothing is there yet"):
        run(task(of.BackupOperator, folders={"none": str(tmp_path / "none")}), context_of_task())
    with pytest.raises(ConfigError, match="not a subject of backups; got 'weather'"):
        run(task(of.BackupOperator, subjects="weather"), context_of_task())


@pytest.mark.parametrize("on_fault", ["fail", "warn"])
def test_backup_with_a_fault_fails_after_the_rest_or_says_so(monkeypatch: pytest.MonkeyPatch, on_fault: str) -> None:
    rows = [{"snapshot": "group/all@1"}, {"snapshot": "", "fault": "dataset/weather: lost"}]
    monkeypatch.setattr("almanac.backup.tasks.run_backup.run_backup", lambda *_, **__: rows)
    backup = task(of.BackupOperator, on_fault=on_fault)
    if on_fault == "warn":
        assert run(backup, context_of_task()) == rows
        return
    with pytest.raises(IntegrityError, match="everything else was backed up, but:\ndataset/weather: lost"):
        run(backup, context_of_task())


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    waiting: list[SimpleNamespace] = []
    monkeypatch.setattr("almanac.backup.tasks.run_restore.request_restore_by_form", lambda *_, **__: waiting)
    monkeypatch.setattr("almanac.backup.tasks.run_restore.run_restore", lambda *_, **__: ["restored"])
    return waiting


def test_restore_waits_for_the_archive_without_a_worker_then_restores(archive: list[Any]) -> None:
    restore = task(of.RestoreOperator, snapshot="dataset/weather", look_again=timedelta(minutes=7))
    archive.append(SimpleNamespace(words="expected at noon"))
    with pytest.raises(TaskDeferred) as deferred:
        run(restore, context := context_of_task())
    assert context["pushed"]["waits_for"] == ["expected at noon"]
    assert timedelta(minutes=6) < deferred.value.trigger.serialize()[1]["moment"] - datetime.now(UTC)
    archive.clear()
    assert run(restore, context_of_task(), event={"fired": True}) == ["restored"]


def test_restore_live_is_only_for_who_may_approve_it(archive: list[Any]) -> None:
    restore = task(of.RestoreOperator, snapshot="dataset/weather", where="live")
    with pytest.raises(ApprovalError):
        run(restore, context_of_task())  # ada started it
    of_grace = context_of_task()
    of_grace["dag_run"].triggering_user_name = "grace"
    assert run(restore, of_grace) == ["restored"]


def test_drill_of_nothing_fails_at_once(registry: Any) -> None:
    drill = task(of.RestoreDrillOperator, place="first")
    with pytest.raises(IntegrityError, match="there was nothing to restore") as raised:
        run(drill, context_of_task())
    assert permanent(drill, raised.value)


def test_retention_of_a_large_deletion_is_only_for_who_may_approve_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("run_forget", "run_sweep"):
        monkeypatch.setattr(f"almanac.backup.tasks.run_retention.{name}", lambda *_, **__: {})
    monkeypatch.setattr("almanac.backup.tasks.run_tiers.run_tiers", lambda *_, **__: {})
    with pytest.raises(ApprovalError):
        run(task(of.RetentionOperator, approve=True), context_of_task())
    assert run(task(of.RetentionOperator, preview=True, approve=True), context_of_task()) == {
        "forgotten": {},
        "swept": {},
        "moved": {},
    }


def test_transient_error_is_retried_by_the_policy_of_every_class() -> None:
    assert task(of.BackupOperator).retry_policy.evaluate(TransientError("away"), 1, 3).action is RetryAction.RETRY
