"""A table whose log is read once, also when somebody else commits, removes it, or puts another one in its place."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from almanac.data.table import opened_table
from almanac.data.table.delta_table import scan_table
from almanac.data.table.opened_table import OpenedTable
from almanac.errors import DataError
from tests.servers.stores import Store


def _commit(uri: str, value: int) -> None:
    write_deltalake(uri, pl.DataFrame({"a": [value]}).to_arrow(), mode="append")


def _values(table: DeltaTable) -> list[int]:
    return sorted(scan_table(table).collect()["a"])


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places of tables that were opened, each time."""
    places: list[str] = []
    opening = opened_table.open_table

    def counted(uri: str) -> DeltaTable | None:
        places.append(uri)
        return opening(uri)  # type: ignore[no-any-return]

    monkeypatch.setattr(opened_table, "open_table", counted)
    return places


@pytest.fixture(params=["folder", "s3", "azure"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a table that is not there yet."""
    if request.param == "folder":
        return str(tmp_path / "table")
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return f"{store.uri}/table"


def test_opened_table_sees_the_commits_of_others_and_opens_once(uri: str, openings: list[str]) -> None:
    opened = OpenedTable(uri)
    assert opened.newest() is None
    for value in range(3):
        _commit(uri, value)
        assert _values(opened.newest()) == list(range(value + 1))
    assert opened.newest().version() == 2
    assert openings == [uri, uri], "once before there was one, once after"


def test_opened_table_that_is_gone_is_none(tmp_path: Path) -> None:
    uri = str(tmp_path / "table")
    _commit(uri, 1)
    opened = OpenedTable(uri)
    assert opened.newest() is not None
    shutil.rmtree(uri)
    assert opened.newest() is None


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_opened_table_in_whose_place_another_stands_is_opened_again(tmp_path: Path, commits: int) -> None:
    """Also when the other has as many versions."""
    uri = str(tmp_path / "table")
    for value in range(2):
        _commit(uri, value)
    opened = OpenedTable(uri)
    before = opened.newest().metadata().id
    for value in range(commits):
        _commit(str(tmp_path / "other"), 7 + value)
    shutil.rmtree(uri)
    (tmp_path / "other").rename(uri)
    newest = opened.newest()
    assert newest.metadata().id != before
    assert _values(newest) == [7 + value for value in range(commits)]


def test_table_whose_files_alone_do_not_show_its_rows_is_refused(tmp_path: Path) -> None:
    rows, uri = pl.DataFrame({"a": [1]}), str(tmp_path / "table")
    write_deltalake(uri, rows, configuration={"delta.enableDeletionVectors": "true"})
    with pytest.raises(DataError, match=r"cannot be read; got reader version 3 with \['deletionVectors'\]"):
        scan_table(DeltaTable(uri))
