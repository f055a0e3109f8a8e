"""This version takes over an installation of 0.1: journal, registry, passports, backups, data and YAML files."""

import importlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from almanac.backup.tasks.before_upgrade import back_up_before_upgrade
from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import REPOSITORY, Home
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.table.dataset import DatasetTable
from almanac.errors import JournalSchemaError
from almanac.journal.damage import make_database
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, DecisionKind, RunRef
from almanac.journal.schema import HEAD
from almanac.registry.store import Registry
from almanac.release.promotion import promote, register
from almanac.release.run_judgement import judge
from almanac.services.loss_checks import journal_rows
from almanac.storage.listing import list_files
from almanac.training.passport import load_passport
from almanac.training.training_run import decide_mode, train
from tests.journal.revisions import FIRST, make, shape
from tests.upgrade.quay import NAME, csv_of
from tests.upgrade.stored_home import unpack

RUN = RunRef("train_quay", "after the upgrade")
DAYS = 30  # that 0.1 has taken in


def almanac(home: Home, *arguments: str) -> Result:
    """Run a command in this process."""
    environment = {"ALMANAC_HOME": str(home.home), "ALMANAC_MODELS": str(home.models), "COLUMNS": "300"}
    return CliRunner().invoke(app, list(arguments), env=environment)


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """As 0.1 left it."""
    return unpack(tmp_path)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """The same after `almanac journal upgrade`, and what that said."""
    home = unpack(tmp_path_factory.mktemp("upgraded"))
    done = almanac(home, "journal", "upgrade")
    assert done.exit_code == 0, done.output
    return home, done.output


@pytest.fixture(scope="module")
def home(upgraded: tuple[Home, str]) -> Home:
    return upgraded[0]


@pytest.fixture(scope="module")
def grown(home: Home) -> Iterator[Home]:
    """After ten more days have landed and a training has run, with the code of today."""
    model, journal, registry = find_model(home.models, NAME), Journal(home.journal_url), Registry.of(home)
    (Path(home.landing_of(NAME)) / "second.csv").write_text(csv_of(range(DAYS, DAYS + 10)), "utf-8")
    known, now = journal.arrivals(NAME), datetime.now(UTC)
    files = [one for one in list_files(home.landing_of(NAME), model.source.patterns) if one.uri not in known]
    ingest_batches(model, home, journal, files, RUN, now=now, clock=lambda: now)
    asked = decide_mode(model, home, journal, registry, trigger="manual", reason="a test", run=RUN, now=now, mode=None)
    logged = train(
        model,
        home,
        registry,
        reason="a test",
        run=RUN,
        now=now,
        candidates=None,
        overrides=None,
        on_progress=lambda _: None,
        mode=asked.mode,
    )
    verdict = judge(model, home, journal, registry, logged, run=RUN, now=now)
    assert verdict.accepted, verdict.reasons
    version = register(registry, NAME, logged, run=RUN, journal=journal, now=now).version
    promote(registry, model, version, reason="a test", run=RUN, journal=journal, now=now)
    return home


def test_first_migration_makes_the_tables_that_0_1_made(
    old: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("almanac.journal.database.make_database", make_database)  # an empty one
    url = f"sqlite:///{tmp_path}/first.db"
    make(url, FIRST)
    assert shape(old.journal_url) == shape(url)


def test_journal_of_0_1_is_refused_with_the_command_that_upgrades_it(old: Home) -> None:
    before = shape(old.journal_url)
    with pytest.raises(JournalSchemaError, match=r"no revision \(0\.1\), expected .*: \./almanac journal upgrade"):
        Journal(old.journal_url).batches(NAME)
    checked = almanac(old, "journal", "upgrade", "--check")
    assert (checked.exit_code, shape(old.journal_url)) == (1, before)
    assert f"no revision (0.1); `almanac journal upgrade` brings it to revision {HEAD}" in checked.output


def test_doctor_names_the_upgrade_until_it_is_done(old: Home, home: Home) -> None:
    ((_, state, seen, todo),) = journal_rows(old)
    assert (state, todo) == ("fail", "./almanac journal upgrade")
    assert seen.endswith(f"no revision (0.1), expected revision {HEAD}")
    assert list(journal_rows(home)) == [("journal tables", "ok", f"revision {HEAD}", "")]


def test_upgrade_says_what_it_did_and_a_second_one_is_harmless(upgraded: tuple[Home, str]) -> None:
    home, output = upgraded
    assert f"the journal is upgraded from no revision (0.1) to revision {HEAD}" in output
    again, checked = almanac(home, "journal", "upgrade"), almanac(home, "journal", "upgrade", "--check")
    assert (again.exit_code, checked.exit_code) == (0, 0)
    assert again.output == checked.output == f"{home.journal_url}: revision {HEAD}, current\n"


def test_upgrade_has_backed_up_every_database_as_it_was_and_the_journal_knows(upgraded: tuple[Home, str]) -> None:
    home, output = upgraded
    (line,) = [line for line in output.splitlines() if line.startswith("backed up: ")]
    names = line.removeprefix("backed up: ").split(", ")
    subjects = ["database/mlflow", "database/journal", "database/airflow", "database/mlflow_auth"]
    assert [name.split("@")[0] for name in names] == subjects
    assert {"database/journal", "database/airflow"} <= {one.subject for one in Journal(home.journal_url).snapshots()}
    restored = almanac(home, "restore", names[1], "--to", str(home.home / "looked-at"))
    assert restored.exit_code == 0, restored.output
    with closing(sqlite3.connect(home.home / "looked-at" / "journal.db")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "batches" in tables
    assert "journal_revision" not in tables


def test_upgrade_without_backup_takes_no_snapshot(old: Home) -> None:
    before = len(list((old.home / "backups").rglob("*")))
    done = almanac(old, "journal", "upgrade", "--without-backup")
    assert done.exit_code == 0, done.output
    assert "upgrading the journal without a snapshot, as asked" in done.output
    assert len(list((old.home / "backups").rglob("*"))) == before


def test_upgrade_whose_backup_fails_changes_nothing(old: Home) -> None:
    (old.home / "airflow" / "airflow.db").write_bytes(b"not a database" * 100)
    before = shape(old.journal_url)
    done = almanac(old, "journal", "upgrade")
    assert done.exit_code == 1
    assert "airflow" in str(done.exception)
    assert shape(old.journal_url) == before


def test_check_of_a_home_without_a_journal_makes_none(tmp_path: Path) -> None:
    done = almanac(Home(home=tmp_path, models=tmp_path), "journal", "upgrade", "--check")
    assert (done.exit_code, (tmp_path / "journal.db").exists()) == (0, False)
    assert f"no journal yet; it is created on first use with revision {HEAD}" in done.output


def test_backup_before_an_upgrade_is_in_the_journal(home: Home) -> None:
    back_up_before_upgrade(home)
    newest = Journal(home.journal_url).snapshots("database/mlflow")[0]
    assert (newest.run.dag_id, newest.run.trigger) == ("almanac up", "before an upgrade")


def test_rows_of_0_1_are_read(home: Home) -> None:
    journal = Journal(home.journal_url)
    first = journal.batches(NAME)[-1]
    assert (first.state, first.rows_published, first.base) == (BatchState.PUBLISHED, DAYS * 24, "")
    kinds = {one.kind for one in journal.decisions(NAME)}
    assert {DecisionKind.TRAINING, DecisionKind.GATES, DecisionKind.PROMOTION} <= kinds
    assert journal.alias_moves(NAME)[-1].to_version == "1"


def test_version_of_0_1_is_traced_from_its_passport_to_the_file(home: Home) -> None:
    done = almanac(home, "trace", f"{NAME}@1", "--json")
    assert done.exit_code == 0, done.output
    chain = json.loads(done.stdout)
    assert "first.csv" in json.dumps(chain)
    registry = Registry.of(home)
    assert load_passport(registry, registry.version(NAME, "1")).model == NAME


def test_dataset_of_0_1_takes_new_rows(grown: Home) -> None:
    newest = Journal(grown.journal_url).batches(NAME)[0]
    assert (newest.state, newest.rows_published) == (BatchState.PUBLISHED, 10 * 24)
    assert DatasetTable.of(grown, find_model(grown.models, NAME)).count() == (DAYS + 10) * 24


def test_champion_of_0_1_is_followed_by_one_of_today(grown: Home) -> None:
    registry = Registry.of(grown)
    assert registry.aliases(NAME) | {"challenger": "2"} == {"champion": "2", "previous": "1", "challenger": "2"}
    traced = almanac(grown, "trace", f"{NAME}@champion", "--json")
    assert traced.exit_code == 0, traced.output
    assert {"first.csv", "second.csv"} <= {Path(uri).name for uri in _uris(json.loads(traced.stdout))}


def _uris(found: object) -> Iterator[str]:
    if isinstance(found, dict):
        for value in found.values():
            yield from _uris(value)
    elif isinstance(found, list):
        for value in found:
            yield from _uris(value)
    elif isinstance(found, str) and found.endswith(".csv"):
        yield found


@pytest.mark.parametrize("subject", [f"dataset/{NAME}", f"model/{NAME}", "database/mlflow", "database/journal"])
def test_snapshot_of_0_1_is_verified_restored_and_used(old: Home, tmp_path: Path, subject: str) -> None:
    almanac(old, "journal", "upgrade", "--without-backup")
    verified = almanac(old, "verify", subject)
    assert (verified.exit_code, "0 damaged" in verified.output) == (0, True), verified.output
    restored = almanac(old, "restore", subject, "--to", str(tmp_path / "restored"), "--use")
    assert restored.exit_code == 0, restored.output
    assert any(path.is_file() for path in (tmp_path / "restored").rglob("*"))


def test_restore_of_a_journal_of_0_1_upgrades_it(old: Home) -> None:
    done = almanac(old, "restore", "database/journal", "--live", "--replace")
    assert "the journal is upgraded from no revision (0.1) to revision" in done.output, done.output
    assert Journal(old.journal_url).batches(NAME)[0].rows_published == DAYS * 24


def names_in_airflow(path: Path) -> set[str]:
    """The Python names by which the database of 0.1 will ask for our code."""
    with closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT classpath FROM trigger")}
        for (text,) in connection.execute("SELECT data FROM callback"):
            names |= set(_ours(json.loads(text)))
        for (text,) in connection.execute("SELECT data FROM serialized_dag WHERE data IS NOT NULL"):
            names |= {name for name in _ours(json.loads(text)) if ".timetables." in name}  # of tasks none is imported
    return {name for name in names if name.startswith("almanac.")}


def _ours(found: object) -> Iterator[str]:
    if isinstance(found, dict):
        for value in found.values():
            yield from _ours(value)
    elif isinstance(found, list):
        for value in found:
            yield from _ours(value)
    elif isinstance(found, str) and found.startswith("almanac.") and " " not in found:
        yield found


def test_names_that_the_airflow_database_of_0_1_holds_are_found(old: Home) -> None:
    names = names_in_airflow(old.home / "airflow" / "airflow.db")
    assert {"almanac.triggers.landing.LandingTrigger", "almanac.notifiers.late.tell_late"} <= names
    code = (
        "import sys; from almanac_airflow.processes.former_names import accept_former_names; accept_former_names()\n"
        "from airflow._shared.module_loading import import_string\n"
        "print([name for name in sys.argv[1:] if not import_string(name)])"
    )
    path = ":".join(str(REPOSITORY / name) for name in ("config", "include", "plugins"))
    triggers = sorted(name for name in names if "timetables" not in name)
    done = subprocess.run(
        [sys.executable, "-c", code, *triggers],
        env={"PYTHONPATH": path, "HOME": str(old.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip().splitlines()[-1:]) == (0, ["[]"]), done.stderr
    timetables = {name.rpartition(".")[2] for name in names if "timetables" in name}
    module = importlib.import_module("almanac_airflow.timetables")
    assert all(hasattr(module, name) for name in timetables)
