"""Secrets are found wherever they lie open."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from demo.secrecy import places_that_show

SECRETS = {"password": "hush-hush", "key": "psst=="}


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/airflow.db"
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE xcom (id INTEGER, value TEXT, raw BLOB)"))
    return url


def insert(url: str, value: str, raw: bytes = b"") -> None:
    with create_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO xcom VALUES (1, :value, :raw)"), {"value": value, "raw": raw})


def test_places_that_show_names_secret_and_file_and_not_its_value(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "task.log").write_bytes(b"\xff began\npassword=hush-hush\n")
    shown, looked_at = places_that_show(SECRETS, tmp_path, [])
    assert shown == ["password in logs/task.log"]
    assert looked_at == len(b"\xff began\npassword=hush-hush\n")


@pytest.mark.parametrize(("value", "raw"), [('{"a": "psst=="}', b""), ("", b"...psst==...")])
def test_places_that_show_reads_every_row(value: str, raw: bytes, database: str, tmp_path: Path) -> None:
    insert(database, value, raw)
    shown, _ = places_that_show(SECRETS, tmp_path / "nothing", [database])
    assert shown == [f"key in {tmp_path}/airflow.db: xcom"]


@pytest.mark.parametrize("keeper", ["secrets/credentials.json", ".env", "processes/worker.json"])
def test_places_that_show_passes_by_what_keeps_them(keeper: str, database: str, tmp_path: Path) -> None:
    insert(database, "nothing to see")
    (tmp_path / keeper).parent.mkdir(exist_ok=True)
    (tmp_path / keeper).write_text("hush-hush", "utf-8")
    shown, looked_at = places_that_show(SECRETS, tmp_path, [database])
    assert shown == []
    assert looked_at > 0
