"""A snapshot that was there at the last look and is gone without a tombstone is told, until somebody explains it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.retention.sweep import sweep
from almanac.backup.snapshot.missing import give_up, look, missing_snapshots
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import key_file
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import DataError, TransientError
from almanac.health.missing_snapshots import report_missing_snapshots, repositories_to_check
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.backup.repositories import days, manifest_path, repository_at, snapshot, write_files

NOW = datetime.now(UTC)
RUN = RunRef("alerts", "scheduled__1")


class Outbox:
    """A teller that remembers."""

    def __init__(self) -> None:
        self.opened: dict[str, str] = {}
        self.told: list[str] = []

    def open(self, _alerts, message, kind: str, key: str, _now) -> None:
        self.told += [] if key in self.opened else [f"{kind} {message.severity}: {message.subject}: {message.error}"]
        self.opened[key] = message.subject

    def resolve(self, _alerts, _model: str, _kind: str, key: str, _now) -> None:
        self.opened.pop(key, None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def taken(repository: BackupRepository, tmp_path: Path):
    """Three snapshots, a day apart."""
    made = []
    for day in range(3):
        write_files(tmp_path / "source", seed=day)
        made.append(snapshot(repository, tmp_path / "source", at=NOW - days(3 - day)))
    return made


def tell(outbox: Outbox, repository: BackupRepository, journal: Journal) -> None:
    report_missing_snapshots(outbox, Alerts(), [repository], journal, RUN, NOW)  # type: ignore[arg-type]


def test_look_nothing_gone_notifies_nobody(repository: BackupRepository, journal: Journal, taken) -> None:
    outbox = Outbox()
    for _ in range(2):
        tell(outbox, repository, journal)
    assert outbox.told == []
    assert len(journal.snapshots()) == 3


def test_deleted_manifest_is_reported_once_and_its_return_ends_it(
    repository: BackupRepository, journal: Journal, taken
) -> None:
    outbox, path = Outbox(), manifest_path(repository, taken[1].ref)
    tell(outbox, repository, journal)
    content = path.read_bytes()
    path.unlink()
    tell(outbox, repository, journal)
    tell(outbox, repository, journal)
    (sent,) = outbox.told
    assert sent.startswith("backup critical: 1 snapshots are missing")
    assert str(taken[1].ref) in sent
    path.write_bytes(content)
    tell(outbox, repository, journal)
    assert outbox.opened == {}


def test_newest_manifest_that_goes_is_reported_too(repository: BackupRepository, journal: Journal, taken) -> None:
    """No parent is missing then: nothing in the place itself tells of it."""
    look(repository, journal, RUN)
    manifest_path(repository, taken[2].ref).unlink()
    assert look(repository, journal, RUN) == [taken[2].ref]


def test_whole_place_wiped_is_reported(repository: BackupRepository, journal: Journal, taken) -> None:
    look(repository, journal, RUN)
    shutil.rmtree(repository.uri)
    assert len(look(repository, journal, RUN)) == 3


def test_forgotten_and_swept_snapshots_have_not_missing(repository: BackupRepository, journal: Journal, taken) -> None:
    look(repository, journal, RUN)
    Catalogue(repository).add_tombstone(taken[0].ref, at=NOW - days(10), by="ada", reason="old")
    assert missing_snapshots(repository, journal) == []
    sweep(repository, grace=timedelta(days=7), now=NOW + days(8), max_share=1.0)
    assert not manifest_path(repository, taken[0].ref).exists()
    assert look(repository, journal, RUN) == []


def test_secondary_repository_is_looked_at_for_itself(
    repository: BackupRepository, journal: Journal, taken, tmp_path: Path
) -> None:
    second = BackupRepository(repository_at(tmp_path / "second").store, repository.key)
    replicate(repository, second)
    for each in (repository, second):
        look(each, journal, RUN)
    manifest_path(second, taken[0].ref).unlink()
    assert missing_snapshots(repository, journal) == []
    assert missing_snapshots(second, journal) == [taken[0].ref]


def test_place_that_is_away_begins_and_ends_nothing(
    repository: BackupRepository, journal: Journal, taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox()
    tell(outbox, repository, journal)
    manifest_path(repository, taken[0].ref).unlink()
    tell(outbox, repository, journal)

    def away(*_: object) -> None:
        raise TransientError("the disk is away")

    monkeypatch.setattr(repository.store, "list", away)
    tell(outbox, repository, journal)
    assert len(outbox.opened) == 1


def test_give_up_ends_the_alarm_and_says_why(repository: BackupRepository, journal: Journal, taken) -> None:
    look(repository, journal, RUN)
    manifest_path(repository, taken[1].ref).unlink()
    with pytest.raises(DataError, match="0 missing snapshots match 'dataset/other'"):
        give_up(repository, journal, "dataset/other", at=NOW, by="ada", reason="?")
    give_up(repository, journal, str(taken[1].ref), at=NOW, by="ada", reason="an old disk")
    assert look(repository, journal, RUN) == []
    (tombstone,) = Catalogue(repository).tombstones()
    assert (tombstone.forgotten_by, tombstone.reason) == ("ada", "lost: an old disk")


def test_give_up_does_not_take_one_that_is_there(repository: BackupRepository, journal: Journal, taken) -> None:
    look(repository, journal, RUN)
    with pytest.raises(DataError, match="missing are: none"):
        give_up(repository, journal, str(taken[1].ref), at=NOW, by="ada", reason="a slip")


def test_places_that_cannot_be_opened_do_not_end_the_round(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(home=tmp_path)
    key_file(home).parent.mkdir(parents=True)
    key_file(home).write_text("no key", "utf-8")
    assert repositories_to_check(home, InstallationBackup()) == ()
    assert "cannot check whether snapshots are missing" in caplog.text
