"""The task that waits for the archive: it defers while it waits, says until when, and ends when all can be read."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.keys import Key
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.journal.records import RunRef
from almanac_airflow import runs
from almanac_airflow.operators.archive import ArchiveOperator
from tests.backup.cold import Clock, ColdStore
from tests.backup.repositories import MAKER, START, SUBJECT, from_bytes

LOOK_AGAIN = timedelta(minutes=10)


class Context(dict[str, Any]):
    """What Airflow hands to a task, as far as this one asks."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}
        form = {"snapshot": SUBJECT, "where": "folder", "second": False}
        ti = SimpleNamespace(xcom_push=lambda key, value: self.pushed.update({key: value}))
        super().__init__(params=form, ti=ti)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(START)
    monkeypatch.setattr(runs, "now", clock)
    monkeypatch.setattr("almanac_airflow.access.credentials.backup_key", lambda: "")
    monkeypatch.setattr(runs, "run_of", lambda _: RunRef("restore", "manual__1", 1, "ada", "manual"))
    return clock


@pytest.fixture
def operator(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ArchiveOperator:
    place = BackupRepository(ColdStore(tmp_path / "backups", clock), Key.new())
    taken = take(place, Draft(SUBJECT, [from_bytes("one", b"content")], {}), maker=MAKER, clock=clock)
    place.store.tiers().move(taken.manifest.files[0].object_name, "archive")
    monkeypatch.setattr(
        "almanac.backup.tasks.run_restore.repositories_of", lambda *_: SimpleNamespace(named=lambda _: place)
    )
    return ArchiveOperator(task_id="thaw", home=Home(home=tmp_path), look_again=LOOK_AGAIN)


def test_archive_restore_archived_defers_and_says_until_when(operator: ArchiveOperator) -> None:
    context = Context()
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    assert deferred.value.trigger.serialize()[1]["moment"] == START + LOOK_AGAIN
    assert deferred.value.method_name == "execute"
    (words,) = context.pushed["waits_for"]
    assert "expected at 2026-01-01 12:00 UTC" in words


def test_archive_restore_looks_again_until_it_can_be_read(operator: ArchiveOperator, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(TaskDeferred):
            operator.execute(Context(), event=None)
        clock.forward(LOOK_AGAIN)
    clock.forward(timedelta(hours=5))
    assert operator.execute(Context(), event=None) == []
