"""What is not backed up or not proven is said by name, on the page, by doctor, on the command line and in alerts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from almanac.backup.coverage import CoverageGap, RepositorySnapshots, find_gaps, lines_of, live_subjects, taken_of
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import GroupMember, Maker
from almanac.backup.store.repository import BackupRepository
from almanac.backup.survey import survey
from almanac.config.home import Home
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.health.backups import missed_backup
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, BatchRecord, BatchState, RunRef
from tests.backup.repositories import days, repository_at, snapshot, write_files

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = InstallationBackup()  # max_age 2 days, drills 8 days
LIVE = ("database/mlflow", "dataset/weather", "dataset/inland")
RUN = RunRef("alerts", "manual__1")


def gaps(
    *,
    taken: dict[str, float],
    live: dict[str, float] | None = None,
    drilled: dict[str, float] | None = None,
    members: frozenset[str] | None = None,
    second: dict[str, float] | None = None,
) -> dict[str, tuple[str, bool]]:
    """Words and whether it is overdue, by subject; ages in days."""
    there = dict.fromkeys(LIVE, 30.0) if live is None else live
    drills = dict.fromkeys(taken, 1.0) if drilled is None else drilled
    of = {subject: NOW - days(age) for subject, age in taken.items()}
    other = None if second is None else {subject: NOW - days(age) for subject, age in second.items()}
    found = find_gaps(
        {subject: NOW - days(age) for subject, age in there.items()},
        RepositorySnapshots(of, of, members),
        {subject: NOW - days(age) for subject, age in drills.items()},
        SETTINGS,
        now=NOW,
        second=None if other is None else RepositorySnapshots(other, other),
    )
    return {gap.subject: (gap.words, gap.overdue) for gap in found}


ALL = dict.fromkeys((*LIVE, "group/all"), 1.0)


def test_gaps_nothing_is_missing_when_everything_is_there_and_drilled() -> None:
    assert gaps(taken=ALL) == {}


@pytest.mark.parametrize("subject", [*LIVE, "group/all"])
def test_gaps_names_what_has_no_snapshot(subject: str) -> None:
    assert gaps(taken={name: age for name, age in ALL.items() if name != subject}) == {subject: ("no snapshot", True)}


def test_gaps_what_is_new_is_named_and_not_overdue() -> None:
    there = {**dict.fromkeys(LIVE, 30.0), "dataset/new": 1.0}
    assert gaps(taken=ALL, live=there) == {"dataset/new": ("no snapshot", False)}


def test_gaps_group_that_is_old_is_overdue() -> None:
    assert gaps(taken={**ALL, "group/all": 3.0}) == {"group/all": ("no snapshot that is young enough", True)}


def test_gaps_names_whom_the_newest_group_leaves_out() -> None:
    taken = {**dict.fromkeys(LIVE, 5.0), "group/all": 1.0}
    left_out = gaps(taken=taken, members=frozenset({"database/mlflow", "dataset/inland"}))
    assert left_out == {"dataset/weather": ("not in the newest snapshot of everything", True)}


def test_gaps_what_came_after_the_group_is_not_left_out() -> None:
    assert gaps(taken={**ALL, "dataset/weather": 0.5}, members=frozenset({"database/mlflow", "dataset/inland"})) == {}


def test_gaps_names_what_no_drill_has_restored() -> None:
    assert gaps(taken=ALL, drilled={}) == dict.fromkeys(ALL, ("never restored by a drill", False))
    assert gaps(taken=ALL | {"dataset/weather": 9.0}, drilled=dict.fromkeys(set(ALL) - {"dataset/weather"}, 1.0)) == {
        "dataset/weather": ("never restored by a drill", True)
    }


def test_gaps_names_whose_drill_is_too_old() -> None:
    found = gaps(taken=ALL, drilled={**ALL, "group/all": 9.0})
    assert found == {"group/all": ("last restored by a drill too long ago", True)}


def test_gaps_names_what_the_secondary_repository_has_not() -> None:
    second = {name: 1.0 for name in ALL if name != "dataset/inland"}
    assert gaps(taken=ALL, second=second) == {"dataset/inland": ("no snapshot in the secondary repository", False)}


def test_gaps_nothing_exists_and_nothing_is_missing() -> None:
    assert gaps(taken={}, live={}) == {}


def test_lines_of_one_cause_is_one_line_with_all_names() -> None:
    found = [CoverageGap(name, "drill", "never restored by a drill", False) for name in ("a/x", "b/x")]
    assert lines_of(found) == ["never restored by a drill: a/x, b/x"]


def test_missed_backup_is_one_alert_for_all_that_are_missing() -> None:
    late = [CoverageGap(name, "snapshot", "no snapshot", True) for name in ("dataset/a", "database/b")]
    sent = missed_backup([*late, CoverageGap("dataset/new", "snapshot", "no snapshot", False)], days(2), RUN, NOW)
    assert sent is not None
    assert sent.subject == "dataset/a, database/b: backups are overdue"
    assert sent.error == "no snapshot: dataset/a, database/b"
    assert sent.parts == ("dataset/a", "database/b")


@pytest.fixture
def used(tmp_path: Path) -> tuple[Home, Journal]:
    """An installation with one dataset that was published a month ago, a champion, and a rejected file."""
    home = Home(home=tmp_path / "home")
    journal = Journal(home.journal_url)
    write_deltalake(home.dataset_of("weather"), pl.DataFrame({"x": [1]}))
    Path(home.quarantined_files_of("weather")).mkdir(parents=True)
    Path(home.quarantined_files_of("weather"), "abababababab_a.csv").write_text("bad")
    record = BatchRecord(
        "weather", "a" * 64, "file:///a.csv", 1, NOW, BatchState.PUBLISHED, 1, 1, 0, 0, NOW - days(30), RUN
    )
    journal.record_batch(record)
    journal.record_alias_move(AliasMove("weather", "champion", "", "1", "passed", NOW - days(3), RUN))
    return home, journal


def test_live_subjects_are_what_is_there_and_since_when(used: tuple[Home, Journal]) -> None:
    home, journal = used
    month = NOW - days(30)
    assert live_subjects(home, ["weather", "not_begun"], journal, NOW) == {
        "dataset/weather": month,
        "outputs/weather": month,
        "model/weather": NOW - days(3),
        "database/journal": month,
    }


def test_survey_says_by_name_what_a_place_has_not(used: tuple[Home, Journal], tmp_path: Path) -> None:
    home, journal = used
    repository, source = repository_at(tmp_path / "backups"), tmp_path / "source"
    write_files(source)
    snapshot(repository, source, at=NOW - days(1))
    _group(repository, ("dataset/weather",), at=NOW - timedelta(hours=3))
    settings = SETTINGS.model_copy(update={"drills": SETTINGS.drills.model_copy(update={"disaster_every": None})})
    assert lines_of(survey(home, ["weather"], journal, [repository], settings, now=NOW)) == [
        "no snapshot: database/journal, model/weather, outputs/weather",
        "never restored by a drill: dataset/weather, group/all",
    ]


def test_taken_of_a_place_knows_the_members_of_the_newest_group(tmp_path: Path) -> None:
    repository = repository_at(tmp_path / "backups")
    write_files(tmp_path / "source")
    snapshot(repository, tmp_path / "source", at=NOW - days(1))
    _group(repository, ("dataset/weather",), at=NOW)
    taken = taken_of(repository)
    assert taken is not None
    assert taken.members == {"dataset/weather"}


def _group(repository: BackupRepository, subjects: tuple[str, ...], *, at: datetime) -> None:
    found = [Catalogue(repository).newest(subject) for subject in subjects]
    members = tuple(GroupMember(subject=ref.subject, name=ref.name) for ref in found if ref)
    take(repository, Draft("group/all", (), {}, members=members), maker=Maker(dag_id="test"), clock=lambda: at)
