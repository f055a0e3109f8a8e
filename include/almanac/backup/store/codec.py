"""The forms in which an object is stored: plain or Zstandard, either of them encrypted or not.

They are fixed in docs/backup-format.md.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Literal, cast

from almanac.backup.store.keys import Key, KeyRing
from almanac.backup.store.port import CHUNK
from almanac.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Codec = Literal["raw", "zstd", "raw+aes", "zstd+aes"]
MARK = b"\x50\x2a\x4d\x18\x08\x00\x00\x00almanac1"  # a skippable frame: `zstd -d` passes over it
SEALED = b"ALMANAC-AES-1\n"
HEAD = len(MARK)
_LEVEL = 1
_MAX_WINDOW = 1 << 23  # level 1 needs less; a frame that asks for more is not ours
_TAG, _SALT = 16, 16
_PACKED = (
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"\x04\x22\x4d\x18",
    b"\x89PNG",
    b"\xff\xd8\xff",
)


@dataclass(frozen=True)
class Encoded:
    """A plain content and the form it was given."""

    sha256: str
    size: int
    stored_size: int
    codec: Codec


def encode(pieces: Iterable[bytes], target: Path, *, compress: bool, key: Key | None) -> Encoded:
    """Write content in its stored form, in constant memory.

    Args:
        pieces: the plain bytes.
        target: the file to write; it must not exist.
        compress: whether Zstandard may be used where it gains something.
        key: encrypts; None: does not.
    """
    pieces = iter(pieces)
    first = next(pieces, b"")
    packed = _must_be_wrapped(first) or (compress and _gains(first))
    plain = target.with_name(f"{target.name}.plain") if key else target
    digest, size = hashlib.sha256(), 0
    with plain.open("xb") as stream:
        frame = _Frame(stream) if packed else None
        for piece in chain((first,), pieces):
            digest.update(piece)
            size += len(piece)
            (frame or stream).write(piece)
        if frame:
            frame.end()
    sha256 = digest.hexdigest()
    if key:
        _seal(plain, target, sha256, key, packed=packed)
        plain.unlink()
    codec: Codec = ("zstd+aes" if packed else "raw+aes") if key else ("zstd" if packed else "raw")
    return Encoded(sha256, size, target.stat().st_size, codec)


def codec_of(head: bytes) -> Codec:
    """The form of a stored object by its first `HEAD` bytes."""
    if head.startswith(SEALED):
        return "zstd+aes" if head[len(SEALED) : len(SEALED) + 1] == b"\x01" else "raw+aes"
    return "zstd" if head.startswith(MARK) else "raw"


def decode(stored: Iterable[bytes], encoded: Encoded, keys: Key | KeyRing | None, where: str) -> Iterator[bytes]:
    """Give the plain bytes back, checked: they end without an error only if size and hash are those expected.

    A caller that writes them must not use them before the end.

    Args:
        stored: the stored bytes.
        encoded: what is expected; never more than its size is given.
        keys: open what is encrypted.
        where: names the object in messages.

    Raises:
        IntegrityError: the bytes are not those that were stored.
        ConfigError: it is encrypted and there is no key.
    """
    codec = encoded.codec
    if codec.endswith("+aes"):
        stored = _opened(stored, encoded, KeyRing.of(keys), where)
    digest, size = hashlib.sha256(), 0
    for piece in _decompressed(stored, where) if codec.startswith("zstd") else stored:
        size += len(piece)
        if size > encoded.size:
            raise IntegrityError(f"{where}: holds more than the {encoded.size} bytes that were recorded; refused")
        digest.update(piece)
        yield piece
    if (size, digest.hexdigest()) != (encoded.size, encoded.sha256):
        raise IntegrityError(
            f"{where}: the content differs from what was recorded; got {size} bytes with SHA-256 {digest.hexdigest()},"
            f" expected {encoded.size} with {encoded.sha256}. Restore it from the secondary repository, or take an"
            " older snapshot"
        )


def _must_be_wrapped(first: bytes) -> bool:
    return first.startswith((MARK, SEALED))


def _gains(first: bytes) -> bool:
    import zstandard

    if len(first) < 64 or first.startswith(_PACKED):
        return False
    sample = first[: 128 * 1024]
    return len(zstandard.ZstdCompressor(level=_LEVEL).compress(sample)) < 0.95 * len(sample)


class _Frame:
    """Writes pieces as one Zstandard frame."""

    def __init__(self, stream: BinaryIO) -> None:
        import zstandard

        stream.write(MARK)
        self._stream = stream
        self._frame = zstandard.ZstdCompressor(level=_LEVEL).compressobj()

    def write(self, piece: bytes) -> int:
        return self._stream.write(self._frame.compress(piece))

    def end(self) -> None:
        self._stream.write(self._frame.flush())


class _Readable:
    """What yields pieces, as a file that can be read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer only at a piece's end; none at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        given, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return given

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size > 0 and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _decompressed(stored: Iterable[bytes], where: str) -> Iterator[bytes]:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    try:
        # read by read, so that ten gigabytes from ten kilobytes never are in memory
        with unpacker.stream_reader(cast("IO[bytes]", _Readable(stored)), read_across_frames=True) as reader:
            while piece := reader.read(CHUNK):
                yield piece
    except zstandard.ZstdError as error:
        raise IntegrityError(f"{where}: damaged: {error}. Restore it from the secondary repository") from error


def _seal(plain: Path, target: Path, sha256: str, key: Key, *, packed: bool) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt = secrets.token_bytes(_SALT)
    cipher = AESGCM(key.of_object(sha256, salt))
    left = plain.stat().st_size
    with plain.open("rb") as source, target.open("xb") as stream:
        stream.write(SEALED + bytes([packed]) + salt)
        for number in range(max(1, -(-left // CHUNK))):
            chunk = source.read(CHUNK)
            left -= len(chunk)
            stream.write(cipher.encrypt(_nonce(number, last=left == 0), chunk, sha256.encode()))


def _opened(stored: Iterable[bytes], encoded: Encoded, keys: KeyRing | None, where: str) -> Iterator[bytes]:
    from cryptography.exceptions import InvalidTag

    if keys is None:
        raise ConfigError(f"{where}: is encrypted and no key is given. Set ALMANAC_BACKUP_KEY.")
    source = _Readable(stored)
    head = source.read_exactly(len(SEALED) + 1 + _SALT)
    if not head.startswith(SEALED) or len(head) < len(SEALED) + 1 + _SALT:
        raise IntegrityError(f"{where}: recorded as encrypted, but is not; do not trust it")
    number, chunk = 0, source.read_exactly(CHUNK + _TAG)
    following = source.read_exactly(CHUNK + _TAG)
    try:
        cipher, opened = _open_first(chunk, keys, encoded.sha256, head[-_SALT:], last=not following)
        yield opened
        while following:
            number, chunk, following = number + 1, following, source.read_exactly(CHUNK + _TAG)
            yield cipher.decrypt(_nonce(number, last=not following), chunk, encoded.sha256.encode())
    except InvalidTag as error:
        raise IntegrityError(
            f"{where}: cannot be opened: damaged, swapped for another object, or encrypted with another key"
        ) from error


def _open_first(chunk: bytes, keys: KeyRing, sha256: str, salt: bytes, *, last: bool) -> "tuple[AESGCM, bytes]":
    """The first chunk, and the cipher that opened it: an object does not say which key it was encrypted with.

    Raises:
        InvalidTag: none of the keys opens it.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    for key in keys.keys:
        cipher = AESGCM(key.of_object(sha256, salt))
        with suppress(InvalidTag):
            return cipher, cipher.decrypt(_nonce(0, last=last), chunk, sha256.encode())
    raise InvalidTag


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def read_pieces(opened: FileIO) -> Iterator[bytes]:
    """An open file of this machine, piece by piece; what was read does not push other things out of the page cache."""
    with opened as stream:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := stream.read(CHUNK):
            yield piece
