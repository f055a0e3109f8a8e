"""A snapshot that was there at the last look and is gone without a tombstone is told, until somebody explains it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.retention.sweep import sweep
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.snapshot.vanished import give_up, look, vanished
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import key_file
from almanac.backup.store.place import Place
from almanac.config.home import Home
from almanac.config.sections.alerts import Alerts
from almanac.config.sections.backup import InstallationBackup
from almanac.errors import DataError, TransientError
from almanac.health.snapshots import places_to_look_at, tell_vanished
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from tests.backup.places import days, manifest_path, place_at, snapshot, write_files

NOW = datetime.now(UTC)
RUN = RunRef("alerts", "scheduled__1")


class Outbox:
    """A teller that remembers."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.told: list[str] = []

    def seen(self, _alerts, message, kind: str, key: str, _now) -> None:
        self.told += [] if key in self.open else [f"{kind} {message.severity}: {message.subject}: {message.error}"]
        self.open[key] = message.subject

    def ended(self, _alerts, _model: str, _kind: str, key: str, _now) -> None:
        self.open.pop(key, None)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def taken(place: Place, tmp_path: Path):
    """Three snapshots, a day apart."""
    made = []
    for day in range(3):
        write_files(tmp_path / "source", seed=day)
        made.append(snapshot(place, tmp_path / "source", at=NOW - days(3 - day)))
    return made


def tell(outbox: Outbox, place: Place, journal: Journal) -> None:
    tell_vanished(outbox, Alerts(), [place], journal, RUN, NOW)  # type: ignore[arg-type]


def test_look_nothing_gone_tells_nobody(place: Place, journal: Journal, taken) -> None:
    outbox = Outbox()
    for _ in range(2):
        tell(outbox, place, journal)
    assert outbox.told == []
    assert len(journal.snapshots()) == 3


def test_deleted_manifest_is_told_once_and_its_return_ends_it(place: Place, journal: Journal, taken) -> None:
    outbox, path = Outbox(), manifest_path(place, taken[1].ref)
    tell(outbox, place, journal)
    content = path.read_bytes()
    path.unlink()
    tell(outbox, place, journal)
    tell(outbox, place, journal)
    (told,) = outbox.told
    assert told.startswith("backup critical: 1 snapshots are missing")
    assert str(taken[1].ref) in told
    path.write_bytes(content)
    tell(outbox, place, journal)
    assert outbox.open == {}


def test_newest_manifest_that_goes_is_told_too(place: Place, journal: Journal, taken) -> None:
    """No parent is missing then: nothing in the place itself tells of it."""
    look(place, journal, RUN)
    manifest_path(place, taken[2].ref).unlink()
    assert look(place, journal, RUN) == [taken[2].ref]


def test_whole_place_wiped_is_told(place: Place, journal: Journal, taken) -> None:
    look(place, journal, RUN)
    shutil.rmtree(place.uri)
    assert len(look(place, journal, RUN)) == 3


def test_forgotten_and_swept_snapshots_have_not_vanished(place: Place, journal: Journal, taken) -> None:
    look(place, journal, RUN)
    Catalogue(place).bury(taken[0].ref, at=NOW - days(10), by="ada", reason="old")
    assert vanished(place, journal) == []
    sweep(place, grace=timedelta(days=7), now=NOW + days(8), max_share=1.0)
    assert not manifest_path(place, taken[0].ref).exists()
    assert look(place, journal, RUN) == []


def test_second_place_is_looked_at_for_itself(place: Place, journal: Journal, taken, tmp_path: Path) -> None:
    second = Place(place_at(tmp_path / "second").store, place.key)
    replicate(place, second)
    for each in (place, second):
        look(each, journal, RUN)
    manifest_path(second, taken[0].ref).unlink()
    assert vanished(place, journal) == []
    assert vanished(second, journal) == [taken[0].ref]


def test_place_that_is_away_begins_and_ends_nothing(
    place: Place, journal: Journal, taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox()
    tell(outbox, place, journal)
    manifest_path(place, taken[0].ref).unlink()
    tell(outbox, place, journal)

    def away(*_: object) -> None:
        raise TransientError("the disk is away")

    monkeypatch.setattr(place.store, "list", away)
    tell(outbox, place, journal)
    assert len(outbox.open) == 1


def test_give_up_ends_the_alarm_and_says_why(place: Place, journal: Journal, taken) -> None:
    look(place, journal, RUN)
    manifest_path(place, taken[1].ref).unlink()
    with pytest.raises(DataError, match="0 missing snapshots match 'dataset/other'"):
        give_up(place, journal, "dataset/other", at=NOW, by="ada", reason="?")
    give_up(place, journal, str(taken[1].ref), at=NOW, by="ada", reason="an old disk")
    assert look(place, journal, RUN) == []
    (tomb,) = Catalogue(place).tombstones()
    assert (tomb.forgotten_by, tomb.reason) == ("ada", "lost: an old disk")


def test_give_up_does_not_take_one_that_is_there(place: Place, journal: Journal, taken) -> None:
    look(place, journal, RUN)
    with pytest.raises(DataError, match="missing are: none"):
        give_up(place, journal, str(taken[1].ref), at=NOW, by="ada", reason="a slip")


def test_places_that_cannot_be_opened_do_not_end_the_round(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = Home(home=tmp_path)
    key_file(home).parent.mkdir(parents=True)
    key_file(home).write_text("no key", "utf-8")
    assert places_to_look_at(home, InstallationBackup()) == ()
    assert "cannot check whether snapshots are missing" in caplog.text
