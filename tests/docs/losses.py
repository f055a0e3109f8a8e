"""What gets lost before somebody opens a runbook, and what must be there when it has been followed; see happenings."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from almanac.config.home import Home
from tests.docs.happenings import DAY_S, _model, _places, _rows, everything_can_be_restored
from tests.docs.states import MODEL, _ingest, _journal, _run, know

_ROWS, _ROWS_OF_MARCH = 4365, 744


def the_journal_is_of_0_1() -> None:
    """Without what came after it: a revision, a table and some columns."""
    from almanac.journal.schema import VERSION_TABLE

    with closing(sqlite3.connect(Home().home / "journal.db")) as connection:
        for statement in (
            f"DROP TABLE {VERSION_TABLE}",
            "DROP TABLE declarations",
            "ALTER TABLE decisions DROP COLUMN people",
            *_drops_of_indexes(connection, "base"),
            "ALTER TABLE batches DROP COLUMN base",
        ):
            connection.execute(statement)
        connection.commit()


def _drops_of_indexes(connection: sqlite3.Connection, column: str) -> list[str]:
    """Statements that drop what stands in the way of dropping a column of `batches`."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'batches' AND sql LIKE ?"
    return [f"DROP INDEX {name}" for (name,) in connection.execute(query, [f"%{column}%"])]


def the_journal_is_read_again() -> None:
    """With all its batches."""
    assert _journal().batches(MODEL)


def the_newest_commit_is_removed() -> None:
    """The snapshot has it."""
    _newest_commit().unlink()


def a_month_is_published_and_its_commit_removed() -> None:
    """After the snapshot; its file still lies in the landing area."""
    _publish_march()
    _newest_commit().unlink()


def another_history_is_written() -> None:
    """The newest commit is removed, and somebody's DELETE takes its number."""
    from deltalake import DeltaTable

    _newest_commit().unlink()
    DeltaTable(Home().dataset_of(MODEL)).delete("_month = '2023-09'")


def every_row_is_back_and_writers_go_on() -> None:
    """The next file is published."""
    from almanac.data.table.dataset import DatasetTable

    assert DatasetTable.of(Home(), _model()).read(columns=["Humidity"]).height == _ROWS
    _publish_march()


def the_lost_month_is_taken_again() -> None:
    """By the next ingest, and the journal says what was lost and why."""
    from almanac.journal.records import DecisionKind

    (loss,) = _journal().decisions(MODEL, DecisionKind.LOSS)
    assert loss.figures == {"batches": 1.0, "rows": float(_ROWS_OF_MARCH)}
    _ingest()
    assert _rows() == _ROWS + _ROWS_OF_MARCH


def dataset_and_quarantined_rows_are_removed() -> None:
    """As the page says; one file stays in the landing area."""
    shutil.rmtree(Home().dataset_of(MODEL))
    shutil.rmtree(Home().quarantined_rows_of(MODEL))
    for path in Path(Home().landing_of(MODEL)).iterdir():
        if path.name != "weather_2024-02.csv":
            path.unlink()


def what_lies_in_the_landing_area_is_taken_again() -> None:
    """The month with the three rows that break a rule."""
    from almanac.data.quarantine.quarantine import Quarantine

    _ingest()
    assert _rows() == 29 * 24 - 3, _rows()
    assert sorted(Quarantine(Home(), _model()).read_rows()["row"]) == [7, 9, 11]


def a_file_of_the_dataset_is_removed() -> None:
    """January's rows; the snapshot has them."""
    (path,) = (Path(Home().dataset_of(MODEL)) / "_month=2024-01").glob("*.parquet")
    know(january=path.name)
    path.unlink()


def a_month_is_published_and_its_file_removed() -> None:
    """After the snapshot."""
    _publish_march()
    for path in (Path(Home().dataset_of(MODEL)) / "_month=2024-03").glob("*.parquet"):
        path.unlink()


def a_month_is_published_and_the_journal_damaged() -> None:
    """After the snapshot; somebody has written over the journal."""
    _publish_march()
    for path in Home().home.glob("journal.db-*"):
        path.unlink()
    (Home().home / "journal.db").write_bytes(b"no database" * 1000)


def the_month_is_recognised() -> None:
    """It is published once, and the journal knows it again."""
    _ingest()
    assert _rows() == _ROWS + _ROWS_OF_MARCH
    assert "some.csv" in {record.uri.rsplit("/", 1)[1] for record in _journal().batches(MODEL)}
    assert [path.name for path in Home().home.glob("journal.db.before-*")] != []


def a_month_is_published_and_the_journal_moved_aside() -> None:
    """After the snapshot; it begins empty."""
    _publish_march()
    for path in Home().home.glob("journal.db*"):
        path.rename(path.with_name(f"lost-{path.name}"))
    assert _journal().batches(MODEL) == []


def the_journal_knows_what_the_commits_know() -> None:
    """All batches, and no file is published twice."""
    assert "some.csv" in {record.uri.rsplit("/", 1)[1] for record in _journal().batches(MODEL)}
    _ingest()
    assert _rows() == _ROWS + _ROWS_OF_MARCH


def a_task_log_is_old() -> None:
    """Of two one, which may go without a person."""
    _log("old.log", 100)
    _log("new.log", 0)


def the_other_task_log_is_old() -> None:
    """All of them would go, which asks a person."""
    assert [path.name for path in _logs().iterdir()] == ["new.log"]
    _log("new.log", 100)


def no_task_log_is_left() -> None:
    """And what was deleted stands in the journal."""
    from almanac.journal.records import DecisionKind

    assert list(_logs().glob("*.log")) == []
    gone = [one for one in _journal().decisions("", DecisionKind.EXPIRY) if one.subject == "cleanup"]
    assert [one.figures for one in gone] == [{"task_logs": 1.0}] * 2


def the_key_is_replaced() -> None:
    """The old one is nowhere; the home has another."""
    from almanac.backup.store.keys import Key, write_keys

    write_keys(Home(), (Key.new(),))


def the_rotation_is_in_the_journal() -> None:
    """And the new key alone opens every snapshot of both places."""
    from almanac.backup.store.keys import find_keys, write_keys
    from almanac.journal.records import DecisionKind

    keys, _ = find_keys(Home())
    (decisions,) = _journal().decisions("", DecisionKind.BACKUP_KEY)
    assert decisions.subject == keys[0].name
    assert len(keys) == 2
    write_keys(Home(), keys[:1])
    everything_can_be_restored()


def a_backup_is_taken_with_the_new_key() -> None:
    """And it can be restored; those before it are signed by a key that nobody has."""
    from datetime import UTC, datetime

    from almanac.backup.snapshot.verify import verify
    from almanac.backup.store.catalogue import Catalogue
    from almanac.backup.tasks.run_backup import run_backup

    run_backup(Home(), ["database/journal"], run=_run("backup"))
    place = _places().first
    refs = Catalogue(place).refs("database/journal")
    newest = max(refs, key=lambda ref: ref.created)
    assert [one.text for one in verify(place, [newest], level=3, now=datetime.now(UTC)).findings if one.fatal] == []


def the_snapshot_of_airflow_s_database_is_whole() -> None:
    """Its table of DAGs can be read out of it."""
    import sqlite3

    from almanac.backup.restore.restore import restore_file
    from almanac.backup.store.catalogue import Catalogue

    place = _places().first
    catalogue = Catalogue(place)
    newest = catalogue.newest("database/airflow")
    assert newest is not None
    (entry,) = [one for one in catalogue.read(newest).files if one.path.endswith(".db")]
    restore_file(place, entry, Path("airflow.db"))
    with closing(sqlite3.connect("airflow.db")) as connection:
        assert connection.execute("SELECT dag_id FROM dag").fetchall() == [("ingest_weather",)]


def _publish_march() -> None:
    shutil.copy("some.csv", Home().landing_of(MODEL))
    _ingest()
    assert _rows() == _ROWS + _ROWS_OF_MARCH


def _newest_commit() -> Path:
    found = max((Path(Home().dataset_of(MODEL)) / "_delta_log").glob("*.json"))
    know(commit=found.name)
    return found


def _logs() -> Path:
    return Home().home / "airflow" / "logs" / "dag_id=ingest_weather"


def _log(name: str, age_days: int) -> None:
    _logs().mkdir(parents=True, exist_ok=True)
    (_logs() / name).write_text("fetched\n", "utf-8")
    os.utime(_logs() / name, (time.time() - age_days * DAY_S,) * 2)
