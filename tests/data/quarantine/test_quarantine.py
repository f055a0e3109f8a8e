"""Quarantined rows of a batch: what was checked later replaces what was checked earlier."""

from pathlib import Path

import polars as pl
import pytest

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.quarantine.quarantine import Quarantine, safe_name
from tests.data.installation import NOW


@pytest.fixture
def quarantine(tmp_path: Path, weather: Model) -> Quarantine:
    return Quarantine(Home(home=tmp_path), weather)


def _write(quarantine: Quarantine, rows: list[int], batch: str, checked_at: int) -> None:
    schema = {"row": pl.Int64, "raw": pl.String, "rules": pl.List(pl.String)}
    frame = pl.DataFrame({"row": rows, "raw": ["{}"] * len(rows), "rules": [["x.range"]] * len(rows)}, schema=schema)
    folder = Path(quarantine.rows_uri).parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "bad.parquet")
    files = [folder / "bad.parquet"] if rows else []
    quarantine.write_rows(files, batch, uri="/landing/a.csv", checked_at=checked_at, quarantined_at=NOW)


def _rows(quarantine: Quarantine) -> list[tuple[str, int]]:
    return quarantine.read_rows().select("batch", "row").rows()


def test_write_rows_nothing_bad_makes_no_table(quarantine: Quarantine) -> None:
    _write(quarantine, [], "a", -1)
    assert quarantine.read_rows().is_empty()
    assert not Path(quarantine.rows_uri).exists()


def test_write_rows_twice_keeps_them_once(quarantine: Quarantine) -> None:
    for _ in range(2):
        _write(quarantine, [1, 2], "a", -1)
    assert _rows(quarantine) == [("a", 1), ("a", 2)]


def test_write_rows_checked_later_replace_those_checked_earlier(quarantine: Quarantine) -> None:
    _write(quarantine, [9], "other", 0)
    _write(quarantine, [1, 2], "a", 0)
    _write(quarantine, [1, 2, 3], "a", 5)
    _write(quarantine, [1], "a", 4)
    assert _rows(quarantine) == [("a", 1), ("a", 2), ("a", 3), ("other", 9)]


def test_write_rows_none_bad_any_more_takes_them_back(quarantine: Quarantine) -> None:
    _write(quarantine, [1, 2], "a", 0)
    _write(quarantine, [], "a", 1)
    assert _rows(quarantine) == []


def test_discard_rows_lets_the_same_check_write_again(quarantine: Quarantine) -> None:
    _write(quarantine, [1, 2], "a", 0)
    quarantine.discard_rows("a")
    assert _rows(quarantine) == []
    _write(quarantine, [1], "a", 0)
    assert _rows(quarantine) == [("a", 1)]


def test_discard_rows_of_unknown_batch_does_nothing(quarantine: Quarantine) -> None:
    quarantine.discard_rows("nobody")
    assert quarantine.read_rows().is_empty()


def test_keep_file_twice_keeps_one_copy(quarantine: Quarantine, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"bytes")
    for _ in range(2):
        kept = quarantine.keep_file(tmp_path / "content", "0123456789abcdef", name="../a b.csv")
    assert Path(kept).name == "0123456789ab_.._a_b.csv"
    assert [path.read_bytes() for path in Path(quarantine.files_uri).iterdir()] == [b"bytes"]


def test_safe_name_is_short_and_plain() -> None:
    assert safe_name("ä/<x>;$(rm).csv") == "_x_rm_.csv"
    assert len(safe_name("x" * 500 + ".csv")) == 100
