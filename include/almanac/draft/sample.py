"""A bounded sample of a large file: runs of neighbouring records from all over it, its beginning and end among them."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from almanac.data.formats.file_content import FileContent
from almanac.errors import DataError

MOST_BYTES = 16 << 20
"""Of text that is looked at, all files together; what is larger is sampled."""
MOST_ROWS = 200_000
_BLOCK = 1 << 20
_BATCH = 20_000  # rows
_MOST_UNPACKED = 64 << 30
_SIZE_OF_UNIT = {"utf-16": 2}


@dataclass(frozen=True)
class Sample:
    """What is looked at in place of a file.

    Attributes:
        content: the file itself, or a smaller one, in the same form and not packed.
        share: the part of the file's records that it holds, from 0 to 1.
    """

    content: FileContent
    share: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether it is the file itself."""
        return self.share == 1.0


def open_file(path: Path) -> FileContent:
    """A file of this machine, which is read where it lies.

    Raises:
        DataError: it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return FileContent(path, path.name, "", size, _MOST_UNPACKED)


def sample_text(content: FileContent, folder: Path, encoding: str, *, most_bytes: int = MOST_BYTES) -> Sample:
    """A sample of a text file, whole lines of it.

    Args:
        content: the file.
        folder: where a smaller file is written.
        encoding: as Python calls it.
        most_bytes: of unpacked text; a file of less is taken whole.

    Raises:
        DataError: the file is damaged.
    """
    every, total, kept = 1, 0, dict[int, bytes]()
    last = (0, b"")
    for number, block in enumerate(_blocks(content)):
        total, last = total + len(block), (number, block)
        if number % every == 0:
            kept[number] = block
        if sum(map(len, kept.values())) > most_bytes:
            every *= 2
            kept = {place: one for place, one in kept.items() if place % every == 0}
    if every == 1:
        return Sample(content)
    if _has_lines_in_cells(kept[0], encoding):  # where a record begins shows only from the file's beginning
        return _beginning(content, folder, encoding, most_bytes, total)
    kept[last[0]] = last[1]
    path, size = folder / f"{content.name}.sample", 0
    with path.open("wb") as target:
        for run, first, end in _runs(kept):
            lines = _whole_lines(run, encoding, first=first == 0, final=end == last[0])
            size += target.write(lines)
    return Sample(_plain(content, path, size), size / total)


def sample_parquet(content: FileContent, folder: Path, *, most_rows: int = MOST_ROWS) -> Sample:
    """A sample of a Parquet file, as a Parquet file.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(content.path) as file:
            rows = file.metadata.num_rows
            if rows <= most_rows:
                return Sample(content)
            path, every, written = folder / f"{content.name}.sample", -(-rows // most_rows), 0
            with pq.ParquetWriter(path, file.schema_arrow) as writer:
                for number, batch in enumerate(file.iter_batches(batch_size=_BATCH)):
                    if number % every == 0:
                        writer.write_batch(batch)
                        written += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{content.name}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return Sample(_plain(content, path, path.stat().st_size), written / rows)


def _plain(content: FileContent, path: Path, size_bytes: int) -> FileContent:
    return replace(content, path=path, size_bytes=size_bytes, is_plain=True)


def _blocks(content: FileContent) -> Iterator[bytes]:
    """The unpacked bytes in blocks of one size, but the last."""
    with content.open() as stream:
        rest = b""
        while block := stream.read(_BLOCK):
            rest += block
            while len(rest) >= _BLOCK:
                yield rest[:_BLOCK]
                rest = rest[_BLOCK:]
        if rest:
            yield rest


def _runs(kept: dict[int, bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Neighbouring blocks as one, with the numbers of the first and the last of them."""
    run: list[int] = []
    for number in sorted(kept):
        if run and number != run[-1] + 1:
            yield b"".join(kept[one] for one in run), run[0], run[-1]
            run = []
        run.append(number)
    yield b"".join(kept[one] for one in run), run[0], run[-1]


def _whole_lines(run: bytes, encoding: str, *, first: bool, final: bool) -> bytes:
    """The run without the parts of lines at its ends; those of the file's own ends are none."""
    start = 0 if first else _line_end(run, encoding)
    end = len(run) if final else _line_end(run, encoding, last=True)
    return run[start:end] if start < end else b""


def _line_end(run: bytes, encoding: str, *, last: bool = False) -> int:
    """Behind the first, or the last, end of a line; without any, behind everything or before it."""
    unit = _SIZE_OF_UNIT.get(encoding, 1)
    for sign in (b"\n", b"\r"):
        for mark in (sign,) if unit == 1 else (sign + b"\0", b"\0" + sign):
            at = run.rfind(mark) if last else run.find(mark)
            while at >= 0 and at % unit:
                at = run.rfind(mark, 0, at) if last else run.find(mark, at + 1)
            if at >= 0:
                return at + unit
    return 0 if last else len(run)


def _has_lines_in_cells(block: bytes, encoding: str) -> bool:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(block)
    if '"' not in text:
        return False
    try:
        return any("\n" in cell for record in csv.reader(io.StringIO(text)) for cell in record)
    except csv.Error:
        return False


def _beginning(content: FileContent, folder: Path, encoding: str, most_bytes: int, total: int) -> Sample:
    """The first lines of a file, up to one behind which no cell is open."""
    with content.open() as stream:
        text = stream.read(most_bytes)
    end = _line_end(text, encoding, last=True)
    while end and text.count(b'"', 0, end) % 2:
        end = _line_end(text[: end - 1], encoding, last=True)
    path = folder / f"{content.name}.sample"
    path.write_bytes(text[:end])
    return Sample(_plain(content, path, end), end / total)
