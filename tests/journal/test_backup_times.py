"""First and last times per subject, whatever the number of rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.journal.backup_times import first_snapshot, proven_times, snapshot_times
from almanac.journal.journal import Journal
from almanac.journal.records import DrillRecord, RunRef, SnapshotRecord

DAY = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunRef("backup", "run")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def drill(subject: str, day: int, *, passed: bool = True, meant_to_fail: bool = False) -> DrillRecord:
    at = DAY + timedelta(days=day)
    return DrillRecord("place", subject, "name", 1, passed, meant_to_fail, (), at, 1.0, 1.0, RUN)


def test_snapshot_times_are_the_first_and_the_newest_of_each_subject(journal: Journal) -> None:
    for subject, days in {"dataset/a": (3, 1, 2), "model/a": (5,)}.items():
        for day in days:
            at = DAY + timedelta(days=day)
            journal.record_snapshot(SnapshotRecord("place", subject, f"{day}", at, 1, 1, 1, RUN))
    assert snapshot_times(journal) == {
        "dataset/a": (DAY + timedelta(days=1), DAY + timedelta(days=3)),
        "model/a": (DAY + timedelta(days=5), DAY + timedelta(days=5)),
    }
    assert first_snapshot(journal) == DAY + timedelta(days=1)


def test_snapshot_times_of_an_empty_journal_are_none(journal: Journal) -> None:
    assert (snapshot_times(journal), first_snapshot(journal), proven_times(journal)) == ({}, None, {})


def test_proven_times_count_neither_failures_nor_drills_that_were_to_fail(journal: Journal) -> None:
    for one in (drill("a", 2), drill("a", 1), drill("a", 3, passed=False), drill("a", 4, meant_to_fail=True)):
        journal.record_drill(one)
    journal.record_drill(drill("b", 5, meant_to_fail=True))
    assert proven_times(journal) == {"a": DAY + timedelta(days=2)}
