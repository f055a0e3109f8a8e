"""Files that are to be backed up, wherever they lie."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from include.backup.codec import read_pieces
from include.backup.port import CHUNK
from include.storage.files import is_local, locate, open_stream, store_faults

_RACY_S = 2.0  # a file that changed a moment ago may change again within the same tick of the disk's clock


@dataclass(frozen=True)
class SourceFile:
    """One file.

    Attributes:
        path: where it goes in the snapshot.
        pieces: gives its bytes, from the start each time.
        size: bytes; -1: not known before it was read.
        stamp: equal stamps and sizes mean equal bytes; empty: it must be read.
    """

    path: str
    pieces: Callable[[], Iterator[bytes]]
    size: int = -1
    stamp: str = ""


def from_bytes(path: str, content: bytes) -> SourceFile:
    """A file that is made for the snapshot."""
    return SourceFile(path, lambda: iter((content,)), len(content))


def from_path(path: str, file: Path) -> SourceFile:
    """A file of this machine."""
    found = file.stat()
    settled = time.time() - found.st_mtime > _RACY_S
    stamp = f"{found.st_mtime_ns}-{found.st_ino}" if settled else ""
    return SourceFile(path, lambda: read_pieces(file), found.st_size, stamp)


def from_uri(path: str, uri: str) -> SourceFile:
    """A file in a folder or an object store."""
    fs, place = locate(uri)
    if is_local(fs):
        with store_faults(uri, "looked at"):
            return from_path(path, Path(place))
    with store_faults(uri, "looked at"):
        found = fs.info(place)
    return _remote(path, uri, found)


def below(uri: str, prefix: str = "") -> list[SourceFile]:
    """All regular files below a folder, by path; none when there is no such folder. Symbolic links are left out."""
    fs, root = locate(uri)
    with store_faults(uri, "listed"):
        if is_local(fs):
            return sorted(_local(Path(root), prefix), key=lambda file: file.path)
        fs.invalidate_cache()
        found = fs.find(root, detail=True)
    files = [_remote(f"{prefix}{name[len(root) :].lstrip('/')}", f"{uri}{name[len(root) :]}", info)
             for name, info in found.items()]  # fmt: skip
    return sorted(files, key=lambda file: file.path)


def _local(root: Path, prefix: str) -> Iterator[SourceFile]:
    for folder, _, names in os.walk(root, followlinks=False):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink() and not name.endswith(".part"):
                yield from_path(f"{prefix}{file.relative_to(root).as_posix()}", file)


def _remote(path: str, uri: str, info: dict[str, object]) -> SourceFile:
    stamp = str(info.get("ETag") or info.get("etag") or "").strip('"')
    return SourceFile(path, lambda: _read(uri), int(str(info.get("size") or 0)), stamp)


def _read(uri: str) -> Iterator[bytes]:
    with open_stream(uri) as stream:
        while piece := stream.read(CHUNK):
            yield piece
