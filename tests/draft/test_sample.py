"""Large files: a bounded sample of whole records from all over them."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.draft import reading, sample
from almanac.draft.reading import Reading, read_files
from almanac.draft.sample import open_file, sample_parquet, sample_text
from almanac.draft.table import look_at_cells

START = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = 20_000
LINES = [f"{START + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},{n},ä{n % 9}" for n in range(ROWS)]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "_BLOCK", 4 << 10)
    monkeypatch.setattr(sample, "_BATCH", 100)
    monkeypatch.setattr(reading, "_SLICE", 100)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_sample_text_holds_whole_lines_from_beginning_middle_and_end(tmp_path, encoding, end, packed) -> None:
    path = tmp_path / ("f.csv.gz" if packed else "f.csv")
    content = end.join(["at,n,kind", *LINES, ""]).encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    taken = sample_text(open_file(path), tmp_path, encoding, most_bytes=64 << 10)
    with taken.content.open() as stream:
        text = stream.read().decode(encoding)
    first, *lines = text.split(end)[:-1]
    assert first == "at,n,kind"
    assert set(lines) <= set(LINES)
    numbers = [int(line.split(",")[1]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (0, ROWS - 1)
    assert len({number // 2000 for number in numbers}) == 10, "a tenth of the file is not in the sample"
    assert len(lines) == pytest.approx(taken.share * ROWS, rel=0.05)
    assert taken.content.size_bytes <= 70 << 10


def test_sample_text_of_utf_16_ends_no_line_within_a_character(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    lines = [f"{n},\u0a01\u0100\u0a01\u0100" for n in range(9000)]  # their bytes hold those of a line end
    path.write_bytes("\n".join([*lines, ""]).encode("utf-16"))
    taken = sample_text(open_file(path), tmp_path, "utf-16", most_bytes=32 << 10)
    assert set(taken.content.path.read_text("utf-16").split("\n")[:-1]) <= set(lines)


def test_sample_text_of_a_small_file_is_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("\n".join(LINES), "utf-8")
    content = open_file(path)
    assert sample_text(content, tmp_path, "utf-8") == sample.Sample(content)


def test_sample_text_with_line_ends_in_cells_is_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("at,text\n" + "".join(f'{line[:20]},"one\ntwo, {n}"\n' for n, line in enumerate(LINES)), "utf-8")
    taken = sample_text(open_file(path), tmp_path, "utf-8", most_bytes=32 << 10)
    text = taken.content.path.read_text("utf-8")
    assert text.count('"') % 2 == 0
    assert text.endswith('"\n')
    assert path.read_text("utf-8").startswith(text)


def test_sample_parquet_holds_runs_of_rows_from_all_over(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pl.DataFrame({"n": range(ROWS)}).write_parquet(path)
    taken = sample_parquet(open_file(path), tmp_path, most_rows=2000)
    numbers = pl.read_parquet(taken.content.path)["n"]
    assert taken.share == len(numbers) / ROWS == 0.1
    assert len({number // 2000 for number in numbers}) == 10
    assert (numbers.diff().drop_nulls() == 1).mean() == pytest.approx(0.99, abs=0.01)


def test_step_and_row_numbers_of_a_sample_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["at,n,kind", *LINES, ""]), "utf-8")
    read: Reading = read_files([path], tmp_path, most_bytes=64 << 10)
    table = look_at_cells(read)
    assert table.step == timedelta(minutes=1)
    assert table.ignored == ("n",)
    assert table.span == timedelta(minutes=ROWS - 1)
    assert table.rows == pytest.approx(ROWS, rel=0.05)
    assert any(note.startswith("Of about ") for note in table.notes)


def test_many_rows_of_a_small_file_are_looked_at_in_runs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 2000)
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["at,n,kind", *LINES, ""]), "utf-8")
    read = read_files([path], tmp_path)
    assert (read.rows, read.share) == (ROWS, 1.0)
    assert read.cells.height <= 2000
    assert look_at_cells(read).step == timedelta(minutes=1)
