"""Backups, retention, drills and restores as schedules and forms start them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.drill.drills import record
from almanac.backup.retention.needs import backed_up_versions
from almanac.backup.snapshot.verify import Share
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.tasks.run_backup import is_due, record_drill_results, repositories_of, run_backup
from almanac.backup.tasks.run_restore import run_restore
from almanac.backup.tasks.run_retention import run_forget, run_replicate, run_sweep
from almanac.config.home import Home
from almanac.config.sections.retention.backup import Drills
from almanac.data.table.delta_table import read_table
from almanac.data.table.maintenance import needed_versions
from almanac.drills.run_drill import check_drills, run_drill, verify_share
from almanac.errors import ConfigError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from tests.backup.world import MODEL, ROWS, RUN, World

NOW = datetime.now(UTC)
FORM = {"snapshot": f"dataset/{MODEL}", "where": "folder", "replace": False, "use": True, "second": False}


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    """The world, with backup repositories, a journal and a folder for restores of its own."""
    return world.home.model_copy(
        update={
            "home": tmp_path / "home",
            "backups": str(tmp_path / "backups"),
            "second_backups": str(tmp_path / "second"),
            "journal_url": f"sqlite:///{tmp_path}/journal.db",
        }
    )


def test_run_backup_sums_up_and_reports_the_journal(home: Home) -> None:
    (taken,) = run_backup(home, [f"dataset/{MODEL}"], run=RUN)
    assert taken["new"]
    assert taken["files"] > 4
    (row,) = Journal(home.journal_url).snapshots()
    assert (row.subject, row.place, row.run.started_by) == (f"dataset/{MODEL}", home.backups, "ada")


def test_run_backup_key_of_a_connection_is_the_one(home: Home) -> None:
    key = Key.new()
    run_backup(home, [f"dataset/{MODEL}"], run=RUN, given_key=key.text)
    Catalogue(repositories_of(home, key.text).first).read(Catalogue(repositories_of(home, key.text).first).refs()[0])
    with pytest.raises(IntegrityError, match="signature"):
        run_restore(home, FORM, given_key=Key.new().text, run=RUN, now=NOW)
    with pytest.raises(ConfigError, match="the connection's password: not a backup key"):
        run_backup(home, [f"dataset/{MODEL}"], run=RUN, given_key="secret")


def test_is_due_batches_publications(home: Home) -> None:
    hour = timedelta(hours=1)
    assert is_due(home, f"dataset/{MODEL}", at_most_every=hour, now=NOW)
    run_backup(home, [f"dataset/{MODEL}"], run=RUN)
    assert not is_due(home, f"dataset/{MODEL}", at_most_every=hour, now=datetime.now(UTC))
    assert is_due(home, f"dataset/{MODEL}", at_most_every=hour, now=datetime.now(UTC) + hour)


def test_run_forget_dry_run_changes_nothing_then_forgets_in_both_places(home: Home) -> None:
    for _ in range(3):
        run_backup(home, ["database/mlflow"], run=RUN)
    run_replicate(home, given_key="")
    plan = run_forget(home, given_key="", now=datetime.now(UTC), by="ada", dry_run=True)
    assert [len(one["goes"]) for one in plan.values()] == [1, 1]
    assert len(Catalogue(repositories_of(home, "").first).refs()) == 3
    run_forget(home, given_key="", now=datetime.now(UTC), by="ada", dry_run=False)
    assert [len(Catalogue(repository).refs()) for repository in repositories_of(home, "").all()] == [2, 2]
    done = run_sweep(home, given_key="", now=datetime.now(UTC), dry_run=False, approved=False)
    assert [one["snapshots"] for one in done.values()] == [[], []]
    later = datetime.now(UTC) + timedelta(days=8)
    done = run_sweep(home, given_key="", now=later, dry_run=False, approved=True)
    assert [len(one["snapshots"]) for one in done.values()] == [1, 1]


def test_run_forget_broken_yaml_forgets_nothing(home: Home, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "weather.yaml").write_text("title: only\n")
    broken = home.model_copy(update={"models": tmp_path / "models"})
    with pytest.raises(ConfigError, match="nothing is forgotten while a model's YAML is invalid"):
        run_forget(broken, given_key="", now=NOW, by="ada", dry_run=False)


def test_run_replicate_without_a_secondary_repository_is_none(home: Home) -> None:
    alone = home.model_copy(update={"second_backups": ""})
    run_backup(alone, ["database/mlflow"], run=RUN)
    assert run_replicate(alone, given_key="") is None


def test_check_drills_passes_then_alarms_when_overdue(home: Home) -> None:
    run_backup(home, [f"outputs/{MODEL}"], run=RUN)
    repositories = repositories_of(home, "")
    results = run_drill(home, repositories.first, (), report=lambda _: None)
    record_drill_results(home, results, RUN)
    check_drills(repositories, results, Drills(), now=NOW)
    assert len(Journal(home.journal_url).drills()) == 2
    with pytest.raises(IntegrityError, match="overdue    outputs/weather: last good drill"):
        check_drills(repositories, results, Drills(), now=NOW + timedelta(days=30))
    with pytest.raises(IntegrityError, match="there was nothing to restore"):
        check_drills(repositories, [], Drills(), now=NOW)


def test_check_drills_another_subject_that_came_back_ends_no_alarm(home: Home) -> None:
    run_backup(home, [f"outputs/{MODEL}", "database/journal"], run=RUN)
    repositories = repositories_of(home, "")
    (outputs, *_), (database, *_) = (
        run_drill(home, repositories.first, [subject], report=lambda _: None)
        for subject in (f"outputs/{MODEL}", "database/journal")
    )
    failed = replace(outputs, passed=False, said=("one.txt: damaged",), at=outputs.at + timedelta(seconds=1))
    record(repositories.first, failed)
    with pytest.raises(IntegrityError, match=r"FAILED +outputs/weather\S+ .*one.txt: damaged"):
        check_drills(repositories, [database], Drills(), now=NOW)
    good = replace(outputs, at=outputs.at + timedelta(seconds=2))
    record(repositories.first, good)
    check_drills(repositories, [database], Drills(), now=NOW)


def test_verify_share_reads_what_was_damaged_until_it_is_whole(home: Home) -> None:
    run_backup(home, [f"outputs/{MODEL}"], run=RUN)
    repository, journal = repositories_of(home, "").first, Journal(home.journal_url)
    settings = Drills(verify_days=7)
    entry = next(iter(repository.store.list("objects")))
    sha256, path = entry.name.rsplit("/", 1)[-1], Path(repository.uri, entry.name)
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))
    week = [NOW + timedelta(days=day) for day in range(7)]
    turn = next(at for at in week if Share.today(7, at).takes(sha256))
    for at in (turn, turn + timedelta(days=1)):  # on the second day it has no turn
        with pytest.raises(IntegrityError, match="files of snapshots are damaged"):
            verify_share(repository, settings, journal, RUN, now=at)
    path.write_bytes(whole)
    verify_share(repository, settings, journal, RUN, now=turn + timedelta(days=2))
    path.write_bytes(b"y" * len(whole))
    verify_share(
        repository, settings, journal, RUN, now=turn + timedelta(days=3)
    )  # it is known as whole until its turn


def test_verify_share_names_what_is_damaged(home: Home) -> None:
    run_backup(home, [f"outputs/{MODEL}"], run=RUN)
    repository, journal = repositories_of(home, "").first, Journal(home.journal_url)
    assert verify_share(repository, Drills(verify_days=1), journal, RUN, now=NOW)["objects"] > 0
    for entry in list(repository.store.list("objects")):
        Path(repository.uri, entry.name).write_bytes(b"x" * entry.size_bytes)
    with pytest.raises(IntegrityError, match=r"files of snapshots are damaged(.|\n)*quarantine/files/one.txt"):
        verify_share(repository, Drills(verify_days=1), journal, RUN, now=NOW)


def test_run_restore_to_a_folder_and_try_it(home: Home) -> None:
    run_backup(home, [f"dataset/{MODEL}"], run=RUN)
    lines = run_restore(home, FORM, given_key="", run=RUN, now=NOW)
    folder = Path(lines[0].split(" is in ")[1])
    assert read_table(str(folder)).height == ROWS[3]
    assert "opens at version 3" in lines[1]


def test_run_restore_live_is_in_the_journal_with_who_when_and_why(home: Home, tmp_path: Path) -> None:
    run_backup(home, [f"dataset/{MODEL}"], run=RUN)
    reborn = home.model_copy(update={"datasets": str(tmp_path / "reborn")})
    form = FORM | {"where": "live", "use": False, "reason": "somebody deleted a month"}

    lines = run_restore(reborn, form, given_key="", run=RUN, now=NOW)

    (decision,) = Journal(home.journal_url).decisions(MODEL, DecisionKind.RESTORE)
    assert decision.subject.startswith(f"dataset/{MODEL}@")
    assert decision.reasons == ("somebody deleted a month", *lines)
    assert (decision.run.started_by, decision.decided_at) == ("ada", NOW)


def test_run_restore_to_a_folder_is_no_decision(home: Home) -> None:
    run_backup(home, [f"dataset/{MODEL}"], run=RUN)
    run_restore(home, FORM, given_key="", run=RUN, now=NOW)

    assert Journal(home.journal_url).decisions(MODEL, DecisionKind.RESTORE) == []


def test_run_restore_database_live_is_refused(home: Home) -> None:
    run_backup(home, ["database/mlflow"], run=RUN)
    form = FORM | {"snapshot": "database/mlflow", "where": "live"}
    with pytest.raises(ConfigError, match="cannot replace its own databases"):
        run_restore(home, form, given_key="", run=RUN, now=NOW)


def test_maintenance_keeps_what_a_snapshot_of_a_removed_model_version_needs(home: Home, world: World) -> None:
    run_backup(home, [f"model/{MODEL}"], run=RUN)
    backed_up = backed_up_versions(home, MODEL)
    assert sorted(backed_up) == [1, 2]

    class Forgetful:
        def versions(self, model: str) -> list:
            return []

        def versions_joining(self, model: str) -> list:
            return []

    needed = needed_versions(world.model, Forgetful(), newest=3, backed_up=backed_up)
    assert sorted(needed) == [1, 2, 3]
    assert needed[1][0].startswith(f"model/{MODEL}@")


def test_backed_up_versions_without_a_place_is_none(home: Home) -> None:
    assert backed_up_versions(home, MODEL) == {}
