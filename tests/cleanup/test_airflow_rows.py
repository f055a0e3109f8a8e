"""A cleanup of Airflow's database leaves what the scheduler goes on from and what announcements remember.

With the database that Airflow itself makes, and its own `db clean`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from almanac.cleanup.airflow_rows import AirflowRows
from almanac.config.home import Home
from almanac.errors import TransientError

NOW = datetime.now(UTC)
AGE = timedelta(days=60)
BEFORE = NOW - AGE
OLD = NOW - timedelta(days=100)
YOUNG = NOW - timedelta(days=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    from almanac_airflow.processes import clean_history

    return clean_history


@pytest.fixture(scope="module")
def database() -> str:
    from airflow import settings
    from airflow.utils.db import initdb

    initdb()
    return str(settings.SQL_ALCHEMY_CONN)


@pytest.fixture
def session(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A session; the tables that tests write to are empty before and after."""
    from airflow.utils import db_cleanup
    from airflow.utils.session import create_session

    monkeypatch.setattr(db_cleanup, "config_dict", dict(db_cleanup.config_dict))
    with create_session() as session:
        _empty(session)
        yield session
        _empty(session)


def _empty(session: Any) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.dagrun import DagRun
    from airflow.models.log import Log
    from sqlalchemy import delete

    for model in (AssetEvent, AssetModel, DagRun, Log):
        session.execute(delete(model))
    session.commit()


def add_run(session: Any, name: str, kind: str, started: datetime, *, dag: str = "a", **more: Any) -> None:
    from airflow.models.dagrun import DagRun

    values = {"logical_date": started, "run_after": started, "state": "success", **more}
    run = DagRun(dag_id=dag, run_id=name, run_type=kind, start_date=started, **values)
    session.add(run)
    session.commit()


def runs(session: Any) -> set[str]:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    session.expire_all()
    return set(session.scalars(select(DagRun.run_id)))


def add_events(session: Any, count: int, at: datetime, *, asset: str = "dataset_weather") -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from sqlalchemy import select

    found = session.scalar(select(AssetModel).where(AssetModel.name == asset))
    if found is None:
        found = AssetModel(name=asset, uri=f"x://{asset}", group="asset", extra={})
        session.add(found)
        session.flush()
    extra = {"dataset_version": 7}
    session.add_all(AssetEvent(asset_id=found.id, extra=extra, timestamp=at, source_map_index=-1) for _ in range(count))
    session.commit()


def events(session: Any) -> int:
    from airflow.models.asset import AssetEvent
    from sqlalchemy import func, select

    return int(session.scalar(select(func.count()).select_from(AssetEvent)))


def test_clean_old_runs_go_and_young_ones_stay(session: Any, program: ModuleType) -> None:
    add_run(session, "old", "scheduled", OLD)
    add_run(session, "young", "scheduled", YOUNG)
    assert program.clean(BEFORE, dry_run=True)["rows"] == {"dag_run": 1}
    assert runs(session) == {"old", "young"}
    assert program.clean(BEFORE, dry_run=False)["rows"] == {"dag_run": 1}
    assert runs(session) == {"young"}


def test_clean_run_of_the_newest_window_stays_although_a_backfill_began_later(
    session: Any, program: ModuleType
) -> None:
    """Airflow's own rule keeps the backfill alone; the scheduler would run every window after it once more."""
    window = {"logical_date": None, "partition_key": "x"}
    add_run(session, "newest_window", "scheduled", OLD, **window, partition_date=OLD)
    add_run(session, "older_window", "scheduled", OLD - DAY, **window, partition_date=OLD - 9 * DAY)
    add_run(session, "backfill", "backfill", YOUNG, **window, partition_date=OLD - 90 * DAY)
    program.clean(BEFORE, dry_run=False)
    assert runs(session) == {"newest_window", "backfill"}


def test_clean_newest_scheduled_run_stays_although_an_event_triggered_one_later(
    session: Any, program: ModuleType
) -> None:
    add_run(session, "tick", "scheduled", OLD)
    add_run(session, "event", "asset_triggered", YOUNG)
    program.clean(BEFORE, dry_run=False)
    assert runs(session) == {"tick", "event"}


def test_clean_newest_run_that_an_event_triggered_stays(session: Any, program: ModuleType) -> None:
    """Without it the next one would take in all older events once more."""
    add_run(session, "older_event", "asset_triggered", OLD - DAY)
    add_run(session, "event", "asset_triggered", OLD)
    add_run(session, "tick", "scheduled", YOUNG)
    program.clean(BEFORE, dry_run=False)
    assert runs(session) == {"event", "tick"}


def test_clean_unfinished_run_stays_however_old(session: Any, program: ModuleType) -> None:
    """It may wait for a person, or for an archive."""
    add_run(session, "waits", "scheduled", OLD - DAY, state="running")
    add_run(session, "young", "scheduled", YOUNG)
    program.clean(BEFORE, dry_run=False)
    assert runs(session) == {"waits", "young"}


def test_clean_events_by_which_announcements_remember_stay(session: Any, program: ModuleType) -> None:
    """A dataset that got nothing for a year must not be announced again."""
    add_events(session, program.EVENTS_OF_AN_ASSET + 5, OLD)
    add_events(session, 1, OLD, asset="other")
    program.clean(BEFORE, dry_run=False)
    assert events(session) == program.EVENTS_OF_AN_ASSET + 1


def test_kept_events_reach_as_far_back_as_announcements_look(program: ModuleType) -> None:
    from almanac_airflow import asset_events

    assert program.EVENTS_OF_AN_ASSET == asset_events._LOOK_BACK


def test_clean_models_that_were_not_parsed_lately_stay(program: ModuleType) -> None:
    """After weeks without services a cleanup would else remove every DAG with its history."""
    assert "dag" not in program._TABLES
    assert "trigger" not in program._TABLES


@pytest.mark.slow  # two processes that import Airflow; one of them is started below, and fails
def test_airflow_rows_are_planned_and_deleted_by_a_process_of_their_own(
    session: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")  # as a task has it
    add_run(session, "old", "scheduled", OLD)
    add_run(session, "young", "scheduled", YOUNG)
    rows = AirflowRows(Home(home=tmp_path, airflow_database_url=database), AGE, NOW)
    plan = rows.plan()
    assert [(item.name, item.count) for item in plan.going] == [("1 rows of dag_run", 1)]
    assert plan.going[0].at > OLD  # when the row was last written: a snapshot must be younger
    rows.delete(plan)
    assert runs(session) == {"young"}


def test_airflow_rows_without_a_database_are_none(tmp_path: Path) -> None:
    assert AirflowRows(Home(home=tmp_path), AGE, NOW).plan().items == ()


def test_airflow_rows_of_a_broken_database_are_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    path.write_bytes(b"no database")
    home = Home(home=tmp_path, airflow_database_url=f"sqlite:///{path}")
    with pytest.raises(TransientError, match="could not be cleaned"):
        AirflowRows(home, AGE, NOW).plan()
