"""The commands about backups, as a person types them: no Airflow runs, and at the end nothing but the place is left."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import delete
from typer.testing import CliRunner, Result

from almanac.backup.store.keys import Key
from almanac.backup.store.local_store import LocalStore
from almanac.backup.tiers.archive_request import archive_requests
from almanac.cli.app import app
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.delta_table import read_table
from almanac.errors import AlmanacError, ConfigError, TransientError
from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, DecisionKind
from almanac.services.ports import choose_ports, ports_file
from almanac.services.services import Services
from tests.backup.cold import Clock, ColdStore
from tests.backup.repositories import repository_at
from tests.backup.world import MODEL, ROWS, RUN, World, shared_world


@pytest.fixture(scope="module")
def world() -> World:
    return shared_world()


@pytest.fixture
def run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    monkeypatch.setenv("ALMANAC_HOME", str(world.home.home))
    monkeypatch.setenv("ALMANAC_BACKUPS", str(tmp_path / "backups"))
    monkeypatch.setenv("ALMANAC_SECOND_BACKUPS", str(tmp_path / "second"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.home.tracking_uri)

    def invoke(*arguments: str, exit_code: int = 0) -> str:
        result: Result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, AlmanacError):
            raise result.exception
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result.output

    return invoke


def test_backup_of_everything_then_list_show_verify_and_drill(run, world: World) -> None:
    output = run("backup", "--reason", "before the upgrade")
    assert "group/all@" in output
    assert "6 snapshots" in output
    assert len(run("list").splitlines()) == 7
    assert "version 2" in run("list", f"model/{MODEL}")
    shown = run("show", f"dataset/{MODEL}", "--files")
    assert "before the upgrade" in shown
    assert "_delta_log/00000000000000000003.json" in shown
    assert "0 damaged" in run("verify")
    output = run("drill", f"dataset/{MODEL}")
    assert "opens at version 3 with 60 rows" in output
    assert "damaged copy refused" in output
    assert "drill" in run("show", f"dataset/{MODEL}")
    (listed,) = json.loads(run("list", f"dataset/{MODEL}", "--json"))
    told = json.loads(run("show", f"dataset/{MODEL}", "--json"))
    assert listed["snapshot"] == told["snapshot"]
    assert listed["files"] == len(told["manifest"]["files"])
    assert [one["passed"] for one in told["drills"]] == [True, True]
    journal = Journal(world.home.journal_url)
    assert journal.snapshots("group/all")[0].run.started_by
    assert [row.meant_to_fail for row in journal.drills(f"dataset/{MODEL}")] == [True, False]


def test_backup_with_a_typo_takes_everything_says_it_and_sweeps_nothing(run, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    (tmp_path / "models" / "tides.yaml").write_text("title: only\n")
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    output = run("backup", exit_code=1)
    assert "group/all@" in output
    assert "A declaration cannot be read" in output
    assert "tides.yaml" in output
    with pytest.raises(ConfigError, match="nothing is deleted while a model's YAML is invalid"):
        run("sweep")


def test_backup_with_a_foreign_version_lists_it(run, world: World) -> None:
    client = world.registry.client
    number = str(client.create_model_version(MODEL, "file:///elsewhere/model").version)
    try:
        assert f"left out  {MODEL}@{number}: foreign" in run("backup", f"model/{MODEL}")
    finally:
        client.delete_model_version(MODEL, number)


def test_restore_needs_the_backup_place_alone(run, world: World, tmp_path: Path, monkeypatch) -> None:
    run("backup")
    run("replicate")
    shutil.rmtree(tmp_path / "backups")
    key = run("backup-key").strip()
    reborn = tmp_path / "reborn"
    monkeypatch.setenv("ALMANAC_HOME", str(reborn))
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", key)
    output = run("restore", "group/all", "--live", "--second")
    assert f"{reborn}/datasets/{MODEL}" in output
    assert read_table(str(reborn / "datasets" / MODEL)).height == ROWS[3]
    assert (reborn / "mlflow.db").exists()
    assert (reborn / "journal.db").exists()


def test_restore_to_a_folder_and_use_it(run, tmp_path: Path) -> None:
    run("backup", f"model/{MODEL}", "--version", "2")
    output = run("restore", f"model/{MODEL}", "--to", str(tmp_path / "back"), "--use")
    assert "64 stored inputs predicted again" in output
    assert (tmp_path / "back" / "artifacts" / "model" / "model.onnx").exists()


def test_restore_without_the_key_is_refused_unless_unsigned(run, tmp_path: Path, monkeypatch) -> None:
    run("backup", f"dataset/{MODEL}")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "other"))
    with pytest.raises(AlmanacError, match="no key, so the authors of the manifests cannot be checked"):
        run("restore", f"dataset/{MODEL}")
    assert "is in" in run("restore", f"dataset/{MODEL}", "--unsigned")


def test_verify_damaged_names_it_and_fails(run, tmp_path: Path) -> None:
    run("backup", f"outputs/{MODEL}")
    for path in (tmp_path / "backups" / "objects").rglob("*"):
        if path.is_file() and path.read_bytes() == b"bad,file":
            path.write_bytes(b"bad,filX")
    output = run("verify", exit_code=1)
    assert "DAMAGED" in output
    assert "quarantine/files/one.txt" in output
    told = json.loads(run("verify", "--json", exit_code=1))
    assert (told["damaged"], told["found"]["findings"][0]["fatal"]) == (1, True)
    assert "The drill has failed" in run("drill", exit_code=1)
    output = run("restore", f"outputs/{MODEL}", "--to", str(tmp_path / "back"), "--partial", exit_code=1)
    assert (tmp_path / "back" / "reports" / "one.txt").exists()


def test_forget_shows_the_plan_then_forgets_then_sweeps(run) -> None:
    for _ in range(3):
        run("backup", "database/journal")
    output = run("forget")
    assert "GOES" in output
    assert "almanac forget --apply" in output
    assert len(run("list").splitlines()) == 3
    assert "1 are forgotten" in run("forget", "--apply", "--reason", "policy")
    assert len(run("list").splitlines()) == 2
    (line,) = [line for line in run("list", "--all").splitlines() if "forgotten" in line]
    assert "waiting until" in run("sweep", "--dry-run")
    assert "0 objects" in run("sweep")
    assert "is kept again" in run("forget", line.split()[0], "--undo")
    assert len(run("list").splitlines()) == 3


def test_forget_held_is_refused(run) -> None:
    run("backup", "database/journal")
    assert "on hold" in run("forget", "database/journal", "--hold", "--reason", "a claim")
    with pytest.raises(AlmanacError, match="cannot be forgotten: legal hold"):
        run("forget", "database/journal", "--apply")
    run("forget", "database/journal", "--release")
    assert "is forgotten" in run("forget", "database/journal", "--apply")


def test_restore_live_over_what_is_there_is_refused(run) -> None:
    run("backup", f"dataset/{MODEL}")
    with pytest.raises(AlmanacError, match="already exists"):
        run("restore", f"dataset/{MODEL}", "--live")


def test_backup_unknown_subject_says_which_there_are(run) -> None:
    with pytest.raises(AlmanacError, match="got 'weather', expected model/NAME"):
        run("backup", "weather")


def test_backup_key_is_one_line_that_opens_the_place(run, tmp_path: Path) -> None:
    assert len(run("backup-key").strip()) == 44
    assert repository_at(tmp_path).key is not None


def test_tiers_shows_the_plan_and_moves_only_when_reported(run, tmp_path: Path) -> None:
    run("backup", f"outputs/{MODEL}")
    assert "0 objects (0.0 MiB) move: 0.0000 USD once" in run("tiers")
    place = LocalStore(tmp_path / "backups")
    for entry in list(place.list("objects")):
        place.tiers().move(entry.name, "cool")  # what is newest belongs into hot
    output = run("tiers")
    assert "cool to hot" in output
    assert "almanac tiers --apply" in output
    assert {one.tier for one in place.tiers().stored()} == {"cool"}
    run("tiers", "--apply")
    assert {one.tier for one in place.tiers().stored()} == {"hot"}


def test_restore_from_the_archive_asks_says_when_and_is_run_again(
    run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(datetime.now(UTC))
    store = ColdStore(tmp_path / "backups", clock)
    monkeypatch.setattr("almanac.backup.installation.open_store", lambda _: store)
    run("backup", f"outputs/{MODEL}")
    for entry in list(store.list("objects")):
        store.tiers().move(entry.name, "archive")
    command = ("restore", f"outputs/{MODEL}", "--to", str(tmp_path / "back"), "--use")
    output = run(*command, exit_code=75)
    assert "requested" in output
    assert "expected at" in output
    assert "pending" in run(*command, exit_code=75)
    assert not (tmp_path / "back").exists()
    clock.forward(timedelta(hours=5))
    assert "is in" in run(*command)
    assert (tmp_path / "back" / "reports" / "one.txt").read_text() == "<html>"
    assert [request.state for request in archive_requests(repository_at(tmp_path / "backups"))] == ["verified"]


def test_expire_shows_then_deletes_as_declared(run, world: World, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(world.home.models, tmp_path / "models")
    defaults = tmp_path / "models" / "_defaults.yaml"
    defaults.write_text(defaults.read_text("utf-8").replace("reports: null", "reports: 1d"), "utf-8")
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("ALMANAC_REPORTS", str(tmp_path / "reports"))
    page = tmp_path / "reports" / MODEL / "0123456789ab_old.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    page.with_name("0123456789ac_new.html").write_text("<html>" * 10)
    os.utime(page, (0, 0))
    assert "in no snapshot yet" in run("expire", MODEL)
    run("backup", f"outputs/{MODEL}")
    assert "1 (6 B) would go" in run("expire", MODEL)
    assert page.exists()
    assert "1 (6 B) are deleted" in run("expire", MODEL, "--apply")
    assert not page.exists()


def test_drill_of_the_lost_machine_is_about_everything(run) -> None:
    assert "--disaster restores everything" in run("drill", f"dataset/{MODEL}", "--disaster", exit_code=2)


def test_backup_by_hand_with_the_services_down_reads_files_where_they_lie(
    run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home whose services were up once; its server is down, and nobody says where else MLflow is."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    choose_ports(world.home.home)
    try:
        assert "model/weather@" in run("backup", f"model/{MODEL}")
    finally:
        ports_file(world.home.home).unlink()


def test_restore_that_lacks_published_batches_says_so_and_ends_with_3(run, world: World, tmp_path: Path) -> None:
    run("backup", f"dataset/{MODEL}")
    lost = BatchRecord(
        model=MODEL,
        batch_id="f" * 64,
        uri="landing/june.csv",
        size_bytes=1,
        modified_at=datetime.now(UTC),
        state=BatchState.PUBLISHED,
        rows_read=24,
        rows_published=24,
        rows_quarantined=0,
        rows_dropped=0,
        recorded_at=datetime.now(UTC),
        run=RUN,
        dataset_version=4,
    )
    journal = Journal(world.home.journal_url)
    journal.record_batch(lost)
    try:
        output = run("restore", f"dataset/{MODEL}", "--to", str(tmp_path / "back"), exit_code=3)
    finally:
        with journal.transaction() as connection:
            connection.execute(delete(tables.batches).where(tables.batches.c.batch_id == lost.batch_id))
    assert "DIFFERS" in output
    assert "landing/june.csv" in output
    assert read_table(str(tmp_path / "back")).height == ROWS[3]


def test_restore_live_that_failed_is_given_up(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("backup")
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", run("backup-key").strip())
    entry = max((tmp_path / "backups" / "objects").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
    entry.write_bytes(entry.read_bytes()[:-1])
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "reborn"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/reborn/mlflow.db")
    with pytest.raises(AlmanacError, match=r"(?s)NOT BACK.*is back.*--give-up"):
        run("restore", "group/all", "--live")
    with pytest.raises(AlmanacError, match="a restore is unfinished: group/all@"):
        Services(Home(home=tmp_path / "reborn")).up()
    assert "is not back" in run("restore", "group/all", "--live", "--give-up")
    assert "no restore to live locations is in progress" in run("restore", "group/all", "--live", "--give-up")


def test_restore_of_one_part_into_an_empty_home_leaves_room_for_the_databases(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal, which would be told, is not made: the next command is to restore it."""
    run("backup")
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", run("backup-key").strip())
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "reborn"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/reborn/mlflow.db")
    output = run("restore", f"dataset/{MODEL}", "--live")
    assert "there is no journal here" in output
    assert list((tmp_path / "reborn").glob("*.db")) == []
    run("restore", "database/journal", "--live")
    assert (tmp_path / "reborn" / "journal.db").exists()


def test_restore_of_databases_under_running_services_is_refused(run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("backup", "database/journal")
    monkeypatch.setattr("almanac.services.services.processes_of", lambda _: [psutil.Process()])
    with pytest.raises(AlmanacError, match="stop them first"):
        run("restore", "database/journal", "--live", "--replace")


def test_key_rotate_keeps_what_was_there_before_and_is_in_the_journal(
    run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", f"dataset/{MODEL}")
    old = run("key", "show").split()[0]
    run("replicate")
    output = run("key", "rotate", "--reason", "ada has left")
    new = run("key", "show").split()[0]
    assert new != old
    assert output.count(f"{old} -> {new}") == 2
    assert [one.subject for one in Journal(world.home.journal_url).decisions("", DecisionKind.BACKUP_KEY)] == [new]
    key = run("backup-key").strip()
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "reborn"))
    monkeypatch.setenv("ALMANAC_BACKUP_KEY", key)
    assert "0 damaged" in run("verify", "--second")


def test_key_rotate_interrupted_goes_on_with_the_key_that_it_had_drawn(
    run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", f"dataset/{MODEL}")
    with monkeypatch.context() as patched:
        patched.setattr("almanac.backup.store.key_rotation.rotate", cut)
        with pytest.raises(TransientError, match="cut"):
            run("key", "rotate")
    drawn = run("key", "show", exit_code=1).split()[0]
    with pytest.raises(ConfigError, match="unfinished: run almanac key rotate again"):
        run("backup", f"dataset/{MODEL}")
    run("key", "rotate")
    assert run("key", "show").split()[0] == drawn
    run("backup", f"dataset/{MODEL}")
    named = [one.subject for one in Journal(world.home.journal_url).decisions("", DecisionKind.BACKUP_KEY)]
    assert named.count(drawn) == 1


def test_key_rotate_of_a_variable_asks_for_the_new_key_there(
    run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Key.new(), Key.new()
    monkeypatch.setenv("ALMANAC_BACKUPS", str(tmp_path / "other"))
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_BACKUP", json.dumps({"password": old.text}))
    run("backup", f"dataset/{MODEL}")
    with pytest.raises(ConfigError, match="Almanac cannot change"):
        run("key", "rotate")
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_BACKUP", json.dumps({"password": f"{new.text} {old.text}"}))
    run("key", "rotate")
    monkeypatch.setenv("AIRFLOW_CONN_ALMANAC_BACKUP", json.dumps({"password": new.text}))
    assert "0 damaged" in run("verify")


def cut(*_: object, **__: object) -> None:
    raise TransientError("cut")
