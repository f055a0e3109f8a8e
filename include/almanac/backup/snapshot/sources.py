"""Files to back up, in any storage."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almanac.backup.store.codec import read_pieces
from almanac.storage.errors import store_errors
from almanac.storage.files import local_path, read_blocks
from almanac.storage.local_files import LocalFile, OtherFileError, files_below, identity_of, open_regular
from almanac.storage.objects import is_remote, open_store

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


def from_maker(path: str, make: Callable[[], bytes], stamp: str) -> SourceFile:
    """A file that costs something to make: it is made only if none was made under this stamp before."""
    return SourceFile(path, lambda: iter((make(),)), stamp=stamp)


def from_path(path: str, file: Path) -> SourceFile:
    """A file of this machine."""
    return _of(path, file, file.stat())


def _of(path: str, file: Path, found: os.stat_result) -> SourceFile:
    return SourceFile(path, lambda: read_pieces(file.open("rb", buffering=0)), found.st_size, _stamp(found))


def _listed(file: LocalFile, root: Path) -> SourceFile:
    """A file of a folder in which others write: what is read is what was listed, or nothing."""

    def pieces() -> Iterator[bytes]:
        stream = open_regular(file.path, below=root)
        if identity_of(os.fstat(stream.fileno())) != identity_of(file.found):
            stream.close()
            raise OtherFileError(f"{file.path}: replaced since it was listed")
        yield from read_pieces(stream)

    return SourceFile(file.name, pieces, file.found.st_size, _stamp(file.found))


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_ino}" if time.time() - found.st_mtime > _RACY_S else ""


def below(uri: str, prefix: str = "") -> list[SourceFile]:
    """All regular files below a folder, by path; none when there is no such folder. Symbolic links are left out."""
    with store_errors(uri, "listed"):
        if not is_remote(uri):
            folder = local_path(uri)
            here = (file for file in files_below(folder, prefix) if not file.name.endswith(".part"))
            return sorted((_listed(file, folder) for file in here), key=lambda file: file.path)
        import obstore

        store, root = open_store(uri)
        found = [each for page in obstore.list(store, root or None, chunk_size=1000) for each in page]
    names = [str(each["path"]).removeprefix(root).lstrip("/") for each in found]
    files = [_remote(f"{prefix}{name}", f"{uri}/{name}", each) for name, each in zip(names, found, strict=True)]
    return sorted(files, key=lambda file: file.path)


def _remote(path: str, uri: str, info: Mapping[str, Any]) -> SourceFile:
    return SourceFile(path, lambda: read_blocks(uri), int(info["size"]), str(info["e_tag"] or "").strip('"'))
