"""Drills: they prove what can be restored, and they can fail."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.drill.drill import Drill, clear_scratch, overdue, repository_in_turn
from almanac.backup.drill.drills import last_good, results
from almanac.backup.installation import BackupRepositories
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository
from tests.backup.repositories import object_path, repository_at
from tests.backup.world import MODEL, World

NOW = datetime.now(UTC)


@pytest.fixture
def repository(tmp_path: Path) -> BackupRepository:
    return repository_at(tmp_path / "backups")


def drill(repository: BackupRepository, folder: Path, seed: int = 1) -> Drill:
    return Drill(repository, folder, random.Random(seed), {})


def test_drill_of_everything_passes_and_a_damaged_copy_is_refused(
    world: World, repository: BackupRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = world.backup(repository)
    backup.everything([MODEL])
    backup.dataset(MODEL)
    text: list[str] = []
    done = drill(repository, tmp_path / "scratch").run(report=text.append)
    assert all(result.passed for result in done), text
    subjects = [result.subject for result in done if not result.meant_to_fail]
    assert sorted(set(subjects)) == list(Catalogue(repository).subjects())
    assert subjects.count("dataset/weather") == 2  # the newest and an older one
    assert [result.meant_to_fail for result in done].count(True) == 1
    group = next(result for result in done if result.subject == "group/all")
    assert any("MLflow from another root: 2 versions" in line for line in group.said)
    assert group.duration_s > 0
    assert 0 < group.age_s < 600
    assert len(results(repository)) == len(done)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert [one.message for one in caplog.records if one.name.startswith("almanac.")] == []  # it was planned


def test_drill_of_a_damaged_snapshot_fails_and_names_the_file(
    world: World, repository: BackupRepository, tmp_path: Path
) -> None:
    taken = world.backup(repository).outputs(MODEL)
    assert taken is not None
    path = object_path(repository, taken, "reports/one.txt")
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    (result,) = drill(repository, tmp_path / "scratch").run()
    assert not result.passed
    assert "reports/one.txt" in result.said[0]
    assert last_good(repository) == ()


@pytest.mark.parametrize("seed", range(24))
def test_drill_damage_anywhere_is_refused(world: World, tmp_path: Path, seed: int) -> None:
    repository = repository_at(tmp_path / "backups", encrypt=bool(seed % 2), compress=bool(seed % 3))
    taken = world.backup(repository).dataset(MODEL)  # its log is small, compressed texts: heads are much of them
    assert taken is not None
    assert drill(repository, tmp_path / "scratch", seed).damaged(taken.ref).passed


def test_drill_that_does_not_notice_damage_fails(
    world: World, repository: BackupRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof that the drill meant to fail can itself fail."""
    taken = world.backup(repository).outputs(MODEL)
    assert taken is not None
    monkeypatch.setattr("almanac.backup.drill.drill.restore", lambda *_: None)
    result = drill(repository, tmp_path / "scratch").damaged(taken.ref)
    assert not result.passed
    assert "the restore did not notice" in result.said[0]


def test_overdue_names_what_was_not_drilled_in_time(world: World, repository: BackupRepository, tmp_path: Path) -> None:
    taken = world.backup(repository).outputs(MODEL)
    assert taken is not None
    repositories = BackupRepositories(repository)
    subjects = ["outputs/weather"]
    assert overdue(repositories, subjects, max_age=timedelta(days=8), now=NOW) == ["outputs/weather: never drilled"]
    drill(repository, tmp_path / "scratch").one(taken.ref)
    assert overdue(repositories, subjects, max_age=timedelta(days=8), now=NOW) == []
    late = overdue(repositories, subjects, max_age=timedelta(days=8), now=NOW + timedelta(days=9))
    assert "last good drill" in late[0]


def test_repository_in_turn_takes_each(tmp_path: Path) -> None:
    repositories = BackupRepositories(repository_at(tmp_path / "a"), repository_at(tmp_path / "b"))
    assert {
        repository_in_turn(repositories, NOW).uri,
        repository_in_turn(repositories, NOW + timedelta(days=7)).uri,
    } == {repositories.first.uri, str(tmp_path / "b")}
    assert repository_in_turn(BackupRepositories(repositories.first), NOW) is repositories.first


def test_clear_scratch_takes_what_was_left(tmp_path: Path) -> None:
    (tmp_path / "restore-1").mkdir()
    clear_scratch(tmp_path, older_than=NOW - timedelta(days=1))
    assert (tmp_path / "restore-1").exists()
    clear_scratch(tmp_path, older_than=NOW + timedelta(days=1))
    assert not (tmp_path / "restore-1").exists()
