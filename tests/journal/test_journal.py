"""The journal keeps what it is told, in UTC, from many writers at once."""

import multiprocessing
import sqlite3
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import (
    AliasMove,
    Arrival,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DeliveredAlert,
    RunRef,
    Watermark,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRef("ingest_weather", "manual__1", 2, "ada", "manual")
BATCH = BatchRecord(
    model="weather",
    batch_id="ab" * 32,
    uri="/landing/weather/a.csv",
    size_bytes=10,
    modified_at=NOW,
    state=BatchState.PUBLISHED,
    rows_read=5,
    rows_published=4,
    rows_quarantined=1,
    rows_dropped=0,
    recorded_at=NOW,
    run=RUN,
    warnings=("unknown column X dropped",),
    broken_rules={"Humidity.range": 1},
    dataset_version=3,
    window_start=NOW,
    window_end=NOW + timedelta(hours=5),
)
DECISION = Decision("weather", DecisionKind.TRAINING, False, ("cooldown until 13:00",), NOW, RUN, figures={"rows": 7})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/deep/journal.db")


def test_journal_batch_comes_back_as_written(journal: Journal) -> None:
    journal.record_batch(BATCH)
    assert journal.batch("weather", BATCH.batch_id) == BATCH
    assert journal.batch("other", BATCH.batch_id) is None


def test_journal_batch_recorded_again_replaces(journal: Journal) -> None:
    journal.record_batch(BATCH)
    journal.record_batch(replace(BATCH, rows_published=5))
    assert [batch.rows_published for batch in journal.batches("weather")] == [5]


def test_journal_arrival_other_size_replaces(journal: Journal) -> None:
    seen = Arrival("weather", "/landing/a.csv", 10, NOW, "ab", "published")
    journal.record_arrival(seen)
    journal.record_arrival(replace(seen, size_bytes=11))
    assert journal.arrivals("weather") == {"/landing/a.csv": replace(seen, size_bytes=11)}


def test_journal_decisions_newest_first_by_kind_and_time(journal: Journal) -> None:
    journal.record_decision(DECISION)
    journal.record_decision(replace(DECISION, accepted=True, decided_at=NOW + timedelta(hours=1)))
    journal.record_decision(replace(DECISION, kind=DecisionKind.GATES))
    assert [d.accepted for d in journal.decisions("weather", DecisionKind.TRAINING)] == [True, False]
    assert len(journal.decisions("weather", since=NOW + timedelta(minutes=1))) == 1
    assert journal.decisions("weather", DecisionKind.GATES)[0].figures == {"rows": 7}


def test_journal_decisions_of_one_run_whichever_try(journal: Journal) -> None:
    others = [replace(DECISION.run, run_id="other"), replace(DECISION.run, dag_id="other")]
    for run in (DECISION.run, replace(DECISION.run, try_number=7), *others):
        journal.record_decision(replace(DECISION, run=run))
    assert len(journal.decisions("weather", run=DECISION.run)) == 2


def test_journal_decision_keeps_why_a_person_is_asked(journal: Journal) -> None:
    journal.record_decision(replace(DECISION, accepted=True, ask=("variation: 30 % change",)))
    assert journal.decisions("weather")[0].ask == ("variation: 30 % change",)


def test_journal_time_in_another_zone_comes_back_in_utc(journal: Journal) -> None:
    local = datetime(2026, 11, 21, 14, tzinfo=timezone(timedelta(hours=2)))
    journal.record_decision(replace(DECISION, decided_at=local))
    assert journal.decisions("weather")[0].decided_at == NOW
    assert journal.decisions("weather")[0].decided_at.tzinfo is UTC


def test_journal_time_without_zone_is_refused(journal: Journal) -> None:
    with pytest.raises(Exception, match="a time without a zone cannot be kept"):
        journal.record_decision(replace(DECISION, decided_at=NOW.replace(tzinfo=None)))


def test_journal_alerts_and_alias_moves_come_back(journal: Journal) -> None:
    alert = DeliveredAlert("weather", "critical", "rejected", "why", "webhook", False, NOW, RUN, "connection refused")
    move = AliasMove("weather", "champion", "1", "2", "passed the gates", NOW, RUN)
    journal.record_alert(alert)
    journal.record_alias_move(move)
    assert journal.alerts("weather") == [alert]
    assert journal.alias_moves("weather") == [move]


def test_journal_watermark_replaces_and_is_kept_by_name(journal: Journal) -> None:
    assert journal.watermark("weather", "sql a") is None
    mark = Watermark("weather", "sql a", "1", NOW, RUN)
    journal.record_watermark(mark)
    journal.record_watermark(replace(mark, name="sql b"))
    journal.record_watermark(replace(mark, value="2"))
    assert journal.watermark("weather", "sql a") == replace(mark, value="2")
    assert journal.watermark("weather", "sql b") == replace(mark, name="sql b")


def _write_many(url: str) -> int:
    journal = Journal(url)
    for _ in range(20):
        journal.record_decision(DECISION)
    return 20


def test_journal_many_processes_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    with ProcessPoolExecutor(4) as pool:
        written = sum(pool.map(_write_many, [url] * 4))
    assert len(Journal(url).decisions("weather")) == written


def test_journal_unreachable_is_transient_and_hides_the_password() -> None:
    journal = Journal("postgresql+psycopg2://almanac:s3cret@127.0.0.1:1/almanac")
    with pytest.raises(TransientError, match="check that the database is up") as caught:
        journal.batches("weather")
    assert "s3cret" not in str(caught.value)


def test_journal_opened_while_another_process_prepares_the_file_waits(tmp_path: Path) -> None:
    """SQLite does not wait by itself here: of two that open a file without a write-ahead log at once, one failed."""
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE something (x)")
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, other.execute, ["COMMIT"])
    done.start()
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    journal.record_decision(DECISION)
    done.join()
    assert len(journal.decisions("weather")) == 1


def _create_together(url: str, barrier: Any) -> None:
    barrier.wait()
    Journal(url).record_decision(DECISION)


def test_journal_created_by_many_processes_at_once_fails_for_none(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)
    url = f"sqlite:///{tmp_path}/journal.db"
    writers = [spawn.Process(target=_create_together, args=(url, barrier)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 3
    assert len(Journal(url).decisions("weather")) == 3
