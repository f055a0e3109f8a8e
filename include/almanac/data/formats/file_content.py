"""The bytes of one file: a private copy under its hash, unpacked block by block and within limits."""

import bz2
import codecs
import gzip
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from almanac.data.formats.reader import IncompleteFileError
from almanac.errors import DataError
from almanac.storage.errors import store_errors

_BLOCK = 4 << 20
_TAIL = 64 << 10
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PAR1": "Parquet",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"PK\x03\x04": "ZIP or Excel",
    b"PK\x05\x06": "ZIP or Excel",
    b"\xd0\xcf\x11\xe0": "old Excel",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "XZ",
    b"%PDF": "PDF",
    b"SQLite format 3": "SQLite",
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\0\0\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_HEAD = 512
_TAR = slice(257, 262)
_PACKED = {".gz": "gzip", ".zst": "Zstandard", ".bz2": "bzip2", ".xz": "XZ", ".zip": "ZIP or Excel"}


@dataclass(frozen=True)
class FileContent:
    """A file's bytes, copied to a place where nobody changes them.

    Attributes:
        path: of the copy.
        name: of the file; its end says how it is compressed.
        batch_id: the SHA-256 of its bytes.
        is_plain: the copy was unpacked already, whatever the name says.
    """

    path: Path
    name: str
    batch_id: str
    size_bytes: int
    max_unpacked_bytes: int = 1 << 62
    is_plain: bool = False

    @classmethod
    def copy(cls, blocks: Iterable[bytes], name: str, folder: Path, max_unpacked_bytes: int) -> "FileContent":
        """Copy and hash a file in one pass.

        Args:
            blocks: its bytes, from a store which names its faults itself.
            name: the file's.
            folder: where to.
            max_unpacked_bytes: see `open`.

        Raises:
            FileNotFoundError: there is none.
            TransientError: the store is unreachable, or the folder's disk is full.
        """
        digest, size, path = hashlib.sha256(), 0, folder / "content"
        with store_errors(str(path), "written"), path.open("wb") as target:
            for block in blocks:
                digest.update(block)
                target.write(block)
                size += len(block)
        return cls(path, name, digest.hexdigest(), size, max_unpacked_bytes)

    def is_packed(self) -> bool:
        """Whether the name says that the file is compressed."""
        return not self.is_plain and is_packed_name(self.name)

    def kind(self) -> str:
        """What the first unpacked bytes are of: `Parquet`, `ZIP or Excel`, ...; empty: a text, or not known."""
        with self.open() as stream:
            return _kind(stream.read(_HEAD))

    def check_kind(self, expected: str, *, utf_16: bool = False) -> None:
        """Refuse a file whose first bytes are not of the kind that its name and its declaration say.

        Args:
            expected: `CSV`, `JSON lines`, `Parquet`, `ORC`, `Avro` or another text.
            utf_16: UTF-16 text is expected too.

        Raises:
            DataError: they are of another kind, or there are none.
        """
        with self.path.open("rb") as stream:
            outer = _kind(stream.read(_HEAD))
        packed = _PACKED.get(Path(self.name).suffix.lower(), "")
        if self.size_bytes and packed and outer != packed:
            raise DataError(
                f"{self.name}: not {packed}, as its name says; got the first bytes of {outer or 'something else'}."
                " Give the file the extension of its content."
            )
        with self.open() as stream:
            first = stream.read(_HEAD)
        inner = _kind(first)
        binary = expected in _MAGIC.values()
        wanted = {expected} if binary else {"", *(["UTF-16 text"] if utf_16 else [])}
        if first and inner not in wanted:
            raise DataError(
                f"{self.name}: not {expected}; got the first bytes of {inner or 'text'}, expected"
                f" {expected if binary else 'text'}. Deliver plain {expected}."
            )

    def open(self) -> IO[bytes]:
        """Open the unpacked bytes."""
        if not self.is_packed():
            return self.path.open("rb")
        return cast("IO[bytes]", _Limited(self._unpacked(), self.name, self.max_unpacked_bytes))

    def _unpacked(self) -> Any:
        match Path(self.name).suffix.lower():
            case ".gz":
                return gzip.open(self.path, "rb")
            case ".bz2":
                return bz2.open(self.path, "rb")
            case ".xz":
                return lzma.open(self.path, "rb")
            case ".zip":
                return _only_member(self.path, self.name)
        import pyarrow

        return pyarrow.CompressedInputStream(pyarrow.OSFile(str(self.path)), "zstd")

    def blocks(self) -> Iterator[bytes]:
        """The unpacked bytes, block by block.

        Raises:
            IncompleteFileError: the compressed stream ends too early.
            DataError: it is damaged, or holds more than the limit.
        """
        with self.open() as stream:
            while block := stream.read(_BLOCK):
                yield block


@dataclass
class TextFacts:
    """What one pass over the unpacked bytes of a text file found."""

    size_bytes: int = 0
    ends_line: bool = True
    lines: int = 0
    blank: bool = True
    has_mark: bool = False
    tail: bytes = b""  # the end of the text as UTF-8


def is_packed_name(name: str) -> bool:
    """Whether a file of this name is compressed as a whole."""
    return Path(name).suffix.lower() in _PACKED


def _ignore(_block: bytes) -> None:
    """Nobody looks at the text beside."""


def inspect_text(content: FileContent, encoding: str, look: Callable[[bytes], None] = _ignore) -> TextFacts:
    """Look at every byte of a text file once.

    Args:
        content: the file.
        encoding: as Python calls it.
        look: is given the text, block by block, as UTF-8 without a byte-order mark.

    Raises:
        IncompleteFileError: a compressed stream ends too early.
        DataError: NUL bytes, bytes that are not of the encoding, a damaged or too large compressed stream.
    """
    facts = TextFacts()
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in content.blocks():
        if facts.size_bytes == 0 and block.startswith(codecs.BOM_UTF8):
            block = block.removeprefix(codecs.BOM_UTF8)
            facts.size_bytes, facts.has_mark = 3, True
        plain = block if encoding == "utf-8" else decode(content.name, decoder, block, encoding, facts.lines).encode()
        if (at := plain.find(b"\0")) >= 0:
            raise DataError(
                f"{content.name}: line {facts.lines + plain.count(10, 0, at) + 1}: NUL byte; got {plain.count(0)} of"
                " them, expected text only. The file was damaged in transfer or on disk: deliver it again."
            )
        if encoding == "utf-8" and not (block.isascii() and not decoder.getstate()[0]):
            decode(content.name, decoder, block, encoding, facts.lines)
        facts.size_bytes += len(block)
        look(plain)
        facts.blank = facts.blank and not plain.strip()
        facts.ends_line = plain.endswith((b"\n", b"\r")) if plain else facts.ends_line
        facts.lines += plain.count(b"\n") or plain.count(b"\r")
        facts.tail = (facts.tail + plain)[-_TAIL:]
    decode(content.name, decoder, b"", encoding, facts.lines, final=True)
    return facts


def decode(name: str, decoder: Any, block: bytes, encoding: str, lines: int, *, final: bool = False) -> str:
    """The next bytes of a file as text.

    Args:
        name: of the file, for messages.
        decoder: of Python's codecs, incremental.
        block: the bytes.
        encoding: as Python calls it.
        lines: how many came before.
        final: nothing comes after them.

    Raises:
        DataError: they are not of the encoding.
    """
    try:
        return str(decoder.decode(block, final))
    except UnicodeDecodeError as error:
        line = lines + error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}: line {line}: not {encoding.upper()}; got byte 0x{error.object[error.start]:02x}. Write"
            f" the file as {encoding.upper()}, or declare its encoding in source.format."
        ) from error


def _only_member(path: Path, name: str) -> IO[bytes]:
    """The one file of a ZIP archive.

    Raises:
        IncompleteFileError: the archive has no directory: its end is missing.
        DataError: it holds none or several, or is encrypted.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise IncompleteFileError(
            f"{name}: incomplete file: the end of the ZIP archive is missing or damaged ({error}). Deliver it again."
        ) from error
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if len(members) != 1 or members[0].flag_bits & 1:
        found = "an encrypted file" if len(members) == 1 else f"{len(members)} files"
        raise DataError(f"{name}: the archive holds {found}; expected one file, not encrypted. Deliver it so.")
    try:
        return archive.open(members[0])
    except (zipfile.BadZipFile, NotImplementedError) as error:  # the second: a packing that Python does not know
        raise DataError(f"{name}: damaged: cannot be unpacked: {error}. Deliver the file again.") from error


def _kind(first: bytes) -> str:
    if first[_TAR] == b"ustar":
        return "a tar archive"
    return next((kind for magic, kind in _MAGIC.items() if first.startswith(magic)), "")


class _Limited:
    """A stream that stops a file which unpacks to more than is allowed, and names what is wrong with its packing."""

    def __init__(self, stream: Any, name: str, limit: int) -> None:
        self._stream, self._name, self._limit, self._read = stream, name, limit, 0
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, all of them that are left where there are fewer."""
        try:
            block = bytes(self._stream.read(_BLOCK if size < 0 else size))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            if isinstance(error, EOFError) or "runcated" in str(error) or "end-of-stream" in str(error):
                raise IncompleteFileError(
                    f"{self._name}: incomplete file: its compressed stream is truncated ({error}). Deliver the whole"
                    f" file again."
                ) from error
            raise DataError(
                f"{self._name}: damaged: cannot be unpacked: {error}. Deliver the file again, as one stream."
            ) from error
        self._read += len(block)
        if self._read > self._limit:
            raise DataError(
                f"{self._name}: too large; got more than {self._limit} bytes after unpacking, expected at most"
                f" source.max_unpacked_mb. Deliver it in parts, or raise the limit."
            )
        return block

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        self.closed = True

    def __enter__(self) -> "_Limited":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
