"""A storage location reaches every client as the same folder, or is refused before anything is written."""

from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.store.repository import open_store
from almanac.config.home import Home
from almanac.config.location import check_location, path_of, read_only, sqlite_path, sqlite_url
from almanac.data.table.delta_table import open_table, read_table
from almanac.errors import ConfigError

CARRIED = [
    "a b",
    "Jörg",
    "日本",
    "é",
    "🚀",
    "-x",
    "a.",
    "..a",
    "a,b",
    "a+b",
    "a~b",
    "a@b",
    "a!b",
    "a(b)",
    "a&b=c",
    "k=v",
    "a'b",
    "a:b",
]
REFUSED = {
    "a%20b": "'%'",
    "a#b": "'#'",
    "a?b": "'?'",
    "a[1]": "'[' ']'",
    "{a}": "'{' '}'",
    'a"b': "'\"'",
    "a;b": "';'",
    "$x": "'$'",
    "a|b": "'|'",
    "a^b": "'^'",
    "a*b": "'*'",
    "a\\b": r"'\\'",
    "a\nb": r"'\n'",
    "a\u200bb": "'\u200b'",
    " a": "begins or ends with a space",
    "a ": "begins or ends with a space",
    "a\udcffb": "not UTF-8",
}
PLACES = (
    "landing",
    "datasets",
    "quarantine",
    "predictions",
    "reports",
    "backups",
    "second_backups",
    "artifacts",
)


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize("odd", CARRIED)
def test_path_that_is_carried_reaches_every_client_as_the_same_folder(tmp_path: Path, odd: str) -> None:
    home = Home(home=tmp_path / odd / "home")
    home.home.mkdir(parents=True)
    table = home.dataset_of("weather")
    rows = pl.DataFrame({"a": [1, 2], "month": ["2026-01", "x/ %20y#"]})
    assert open_table(table) is None
    write_deltalake(table, rows, partition_by=["month"])
    with create_engine(home.journal_url).begin() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))

    assert read_table(table).sort("a").equals(rows)
    assert (home.home / "journal.db").is_file()
    assert make_url(home.journal_url).database == str(sqlite_path(home.journal_url)) == f"{home.home}/journal.db"
    assert sorted(path.name for path in tmp_path.iterdir()) == [odd]
    assert [path.name for path in (tmp_path / odd).iterdir()] == ["home"]


@pytest.mark.parametrize("odd", REFUSED)
def test_home_with_a_character_that_a_client_reads_as_syntax_is_refused(
    tmp_path: Path, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / odd / "home"))

    with pytest.raises(ConfigError) as refusal:
        Home()
    message = str(refusal.value)
    assert message.startswith("ALMANAC_HOME: got ")
    assert REFUSED[odd].replace("\u200b", "\\u200b") in message
    assert "expected" in message
    assert "Nothing was written. See docs/operations.md" in message
    assert len(message) < 1000
    assert list(tmp_path.iterdir()) == []


def test_home_behind_a_link_is_judged_by_the_folder_that_clients_open(tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "plain").symlink_to(tmp_path / "a[1]")

    with pytest.raises(ConfigError, match=r"ALMANAC_HOME: got '.*a\[1\]' with '\[' '\]'"):
        Home(home=tmp_path / "plain")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "location",
    [
        "/data/a%20b",
        "/data/a[1]",
        "/data/a?b",
        "/data/a\nb",
        "file:///data/a%23b",
        "file:///data/a?b",
        "file:///data/a#b",
        "file://host/data",
        "s3://bucket/a b",
        "s3://bucket/a%20b",
        "s3://bucket/ö",
        "s3://bucket/a#b",
        "s3://bucket/a~b",
        "s3://bucket/a[1]",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/./b",
        "s3:///b",
        "abfs://container/a b",
        "-x",
        "landing",
        "~/landing",
        "/",
    ],
)
def test_place_that_a_client_would_read_as_another_is_refused_by_its_name(
    tmp_path: Path, place: str, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ALMANAC_{place.upper()}", location)

    with pytest.raises(ConfigError, match=f"^ALMANAC_{place.upper()}: got .*Nothing was written"):
        Home(home=tmp_path)


@pytest.mark.parametrize("place", [place for place in PLACES if place != "artifacts"])
def test_place_in_a_store_that_nobody_can_open_is_refused_with_those_that_are_known(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ALMANAC_{place.upper()}", "ftp://host/folder")

    with pytest.raises(ConfigError, match=r"got 'ftp://host/folder'; expected an absolute path or one of file://, s3:"):
        Home(home=tmp_path)


@pytest.mark.parametrize("setting", ["ALMANAC_JOURNAL_URL", "ALMANAC_MLFLOW_DATABASE_URL", "MLFLOW_TRACKING_URI"])
def test_database_whose_path_would_be_read_as_another_is_refused(
    tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "sqlite:////data/a%20b/journal.db")

    with pytest.raises(ConfigError, match=f"^{setting}: got '/data/a%20b/journal.db' with '%'"):
        Home(home=tmp_path)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("/data/a b/", "/data/a b"),
        ("file:///data/a%20b", "/data/a b"),
        ("file:///data/J%C3%B6rg/", "/data/Jörg"),
        ("file://localhost/data", "/data"),
        ("s3://bucket/env=prod,(a)/x/", "s3://bucket/env=prod,(a)/x"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_location_has_one_form_whatever_it_was_written_as(said: str, meant: str) -> None:
    assert check_location(said, "ALMANAC_LANDING") == meant


def test_artifacts_of_a_server_are_its_own_matter(tmp_path: Path) -> None:
    assert Home(home=tmp_path, artifacts="mlflow-artifacts:").artifacts == "mlflow-artifacts:"
    assert Home(home=tmp_path, artifacts="wasbs://c@a.blob.core.windows.net/x").artifacts.startswith("wasbs://")


def test_file_uri_means_the_folder_that_its_escapes_write() -> None:
    assert path_of("file:///data/a%20b%23") == "/data/a b#"
    assert path_of("/data/a%20b") == "/data/a%20b"


@pytest.mark.parametrize("odd", [*CARRIED, "a%20b", "a#b", "a?b", "a\nb"])
def test_read_only_uri_opens_the_file_and_never_makes_one(tmp_path: Path, odd: str) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / odd / "one.db"
    path.parent.mkdir()
    with pytest.raises(sqlite3.OperationalError), closing(sqlite3.connect(read_only(path), uri=True)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    assert [each.name for each in tmp_path.iterdir()] == [odd]


@pytest.mark.parametrize("odd", REFUSED)
def test_doors_beside_the_home_refuse_the_same(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / odd
    for opened in (
        lambda: open_table(str(folder)),
        lambda: open_store(str(folder)),
        lambda: sqlite_url(folder / "journal.db"),
        lambda: restore_to(Restores(None, None, folder), print),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match="Nothing was written"):
            opened()
    assert list(tmp_path.iterdir()) == []


def test_folder_named_like_a_column_of_the_table_is_refused(tmp_path: Path) -> None:
    table = str(tmp_path / "a=7" / "weather")
    write_deltalake(table, pl.DataFrame({"a": [1], "month": ["x"]}), partition_by=["month"])

    with pytest.raises(ConfigError, match=r"a folder in this path is written NAME=value with the name of a column"):
        read_table(table)
