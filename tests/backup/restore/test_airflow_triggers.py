"""Triggers of a restored Airflow database that no key of the home opens, in tables as Airflow itself makes them."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, Table, create_engine, text

from almanac.backup.restore.airflow_secrets import drop_unreadable_triggers
from almanac.errors import ConfigError, TransientError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
LOST, KEPT, PLAIN = 1, 2, 3


@pytest.fixture
def url(tmp_path) -> str:
    """A database with a trigger of the old key, one of the new, one that is not encrypted; each has what it serves."""
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    tables = Base.metadata.tables
    url = f"sqlite:///{tmp_path}/airflow.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        names = ("trigger", "task_instance", "asset_watcher", "callback")
        Base.metadata.create_all(connection, tables=[tables[name] for name in names])
        for number, key in ((LOST, OLD), (KEPT, NEW), (PLAIN, "")):
            kwargs = Fernet(key).encrypt(b"{}").decode() if key else "{}"
            insert(connection, tables["trigger"], id=number, kwargs=kwargs)
            insert(connection, tables["asset_watcher"], asset_id=number, trigger_id=number)
            insert(connection, tables["callback"], id=f"c{number}", trigger_id=number)
            for state in ("deferred", "success"):
                name = f"{state}{number}"
                waits = {"state": state, "trigger_id": number, "next_method": "resume"}
                insert(connection, tables["task_instance"], id=name, task_id=name, **waits)
    engine.dispose()
    return url


def insert(connection: Connection, table: Table, **values: object) -> None:
    """A row with these values and any where one must be."""
    for column in table.columns:
        if not column.nullable and column.name not in values:
            values[column.name] = 0 if column.type.python_type is int else "2026-01-01 00:00:00"
    names = ", ".join(f'"{name}"' for name in values)
    connection.execute(
        text(f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join(f":{name}" for name in values)})'),  # noqa: S608
        values,
    )


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_trigger_of_another_key_goes_with_its_watcher_and_no_other(url: str) -> None:
    assert drop_unreadable_triggers(url, NEW) == 1
    assert rows(url, 'SELECT id FROM "trigger" ORDER BY id') == [(KEPT,), (PLAIN,)]
    assert rows(url, "SELECT trigger_id FROM asset_watcher ORDER BY 1") == [(KEPT,), (PLAIN,)]
    assert rows(url, "SELECT trigger_id FROM callback ORDER BY id") == [(None,), (KEPT,), (PLAIN,)]
    assert drop_unreadable_triggers(url, NEW) == 0


def test_task_that_waited_by_a_lost_trigger_begins_again_and_others_stay(url: str) -> None:
    drop_unreadable_triggers(url, NEW)
    found = rows(url, "SELECT task_id, state, trigger_id, next_method FROM task_instance ORDER BY task_id")
    assert found == [
        ("deferred1", None, None, None),
        ("deferred2", "deferred", KEPT, "resume"),
        ("deferred3", "deferred", PLAIN, "resume"),
        ("success1", "success", None, "resume"),
        ("success2", "success", KEPT, "resume"),
        ("success3", "success", PLAIN, "resume"),
    ]


@pytest.mark.parametrize(("keys", "lost"), [(f"{NEW},{OLD}", 0), (OLD, 1), ("", 2)], ids=["both", "old", "none"])
def test_trigger_that_any_of_the_keys_opens_stays(url: str, keys: str, lost: int) -> None:
    assert drop_unreadable_triggers(url, keys) == lost


def test_key_that_is_none_is_refused_and_nothing_goes(url: str) -> None:
    with pytest.raises(ConfigError, match="no key of Airflow"):
        drop_unreadable_triggers(url, "short")
    assert len(rows(url, 'SELECT id FROM "trigger"')) == 3


def test_database_without_the_tables_says_so(tmp_path) -> None:
    with pytest.raises(TransientError, match="Airflow's database: cannot be read"):
        drop_unreadable_triggers(f"sqlite:///{tmp_path}/empty.db", NEW)
