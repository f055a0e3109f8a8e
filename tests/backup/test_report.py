"""The page of backups: what is there, how old, how well proven, what to see to; one file that loads nothing."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.coverage import find_gaps, taken_of
from almanac.backup.installation import BackupRepositories
from almanac.backup.report import BackupReport, make_report
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.journal.backup_times import proven_times
from almanac.journal.journal import Journal
from almanac.journal.records import DrillRecord, RunRef
from almanac.reporting.templates import render, size, span
from tests.backup.repositories import days, manifest_path, repository_at, snapshot, write_files

NOW = datetime.now(UTC)
RUN = RunRef("restore_drill", "scheduled__1")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def taken(repository: BackupRepository, tmp_path: Path):
    write_files(tmp_path / "source")
    snapshot(repository, tmp_path / "source", subject="group/all", at=NOW - days(1))
    return snapshot(repository, tmp_path / "source", at=NOW - days(1))


def drilled(
    journal: Journal, subject: str, *, age: timedelta, passed: bool = True, meant_to_fail: bool = False
) -> None:
    journal.record_drill(
        DrillRecord("/place", subject, "name", 5, passed, meant_to_fail, ("said",), NOW - age, 1.5, 60.0, RUN)
    )


def report(repository: BackupRepository, journal: Journal, second: BackupRepository | None = None) -> BackupReport:
    """Of an installation that has nothing but what is in the place."""
    repositories, taken = BackupRepositories(repository, second), taken_of(repository)
    assert taken is not None
    gaps = find_gaps({}, taken, proven_times(journal), InstallationBackup(), now=NOW)
    return make_report(repositories, journal, InstallationBackup(), now=NOW, gaps=gaps)


def test_report_all_is_well(repository: BackupRepository, journal: Journal, taken) -> None:
    for subject in ("dataset/weather", "group/all"):
        drilled(journal, subject, age=days(2))
    made = report(repository, journal)
    one = made.repositories[0].subjects[0]
    assert (one.snapshots, one.files, one.age, one.is_late) == (1, len(taken.manifest.files), days(1), False)
    assert one.proven is not None
    assert (made.problems, made.pending) == ([], [])
    assert made.repositories[0].tiers is not None
    assert made.repositories[0].tiers["hot"].objects == len({entry.sha256 for entry in taken.manifest.files})


def test_report_names_everything_to_see_to(
    repository: BackupRepository, journal: Journal, taken, tmp_path: Path
) -> None:
    write_files(tmp_path / "source", seed=2)
    late = snapshot(repository, tmp_path / "source", subject="outputs/weather", at=NOW - days(30))
    drilled(journal, "outputs/weather", age=days(20))
    drilled(journal, "dataset/weather", age=days(1))
    drilled(journal, "dataset/weather", age=days(0), passed=False, meant_to_fail=True)
    path = manifest_path(repository, late.ref)
    path.write_bytes(path.read_bytes() + b" ")
    second = repository_at(tmp_path / "second")
    (Path(second.uri)).mkdir()
    Path(second.uri, "manifests").write_text("a file where a folder should be")
    problems = "\n".join(report(repository, journal, second).problems)
    assert "last restored by a drill too long ago: outputs/weather" in problems
    assert "damaged" in problems
    assert "dataset/weather: its last drill failed" in problems


def test_report_names_what_was_never_drilled_as_not_proven_yet(
    repository: BackupRepository, journal: Journal, taken
) -> None:
    drilled(journal, "dataset/weather", age=days(2))
    made = report(repository, journal)
    assert (made.problems, made.pending) == ([], ["never restored by a drill: group/all"])
    page = render("pages/backups.html.j2", report=made)
    assert "Not everything is backed up and drilled yet" in page
    assert "Everything is backed up and drilled" not in page


def test_report_place_that_is_away_is_named_and_the_rest_is_shown(
    repository: BackupRepository, journal: Journal, taken, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from almanac.errors import TransientError

    second = repository_at(tmp_path / "second")

    def away(*_: object) -> None:
        raise TransientError("the disk is away")

    monkeypatch.setattr(second.store, "list", away)
    made = report(repository, journal, second)
    assert "the disk is away" in made.problems[0]
    assert made.lag is None
    assert made.repositories[0].subjects


def test_page_is_one_file_and_escapes_what_it_shows(
    repository: BackupRepository, journal: Journal, taken, tmp_path: Path
) -> None:
    for subject in ("dataset/weather", "group/all"):
        drilled(journal, subject, age=days(2))
    Catalogue(repository).add_tombstone(taken.ref, at=NOW, by="ada", reason="<script>alert(1)</script>")
    snapshot(repository, tmp_path / "source", at=NOW)
    page = render("pages/backups.html.j2", report=report(repository, journal))
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    assert "Everything is backed up and drilled" in page
    assert "dataset/weather" in page


@pytest.mark.parametrize(
    ("value", "words"), [(days(3), "3 days"), (timedelta(hours=3), "3 h"), (150.0, "2 min"), (1.2, "1 s")]
)
def test_span_in_words(value: timedelta | float, words: str) -> None:
    assert span(value) == words


def test_size_in_words() -> None:
    assert [size(one) for one in (5, 2048, 3 << 20, 5 << 30)] == ["5 B", "2.0 KiB", "3.0 MiB", "5.0 GiB"]
