"""Reads, writes and removes whole files, so that nobody ever sees half of one."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.errors import TransientError


@contextmanager
def store_faults(uri: str, done: str) -> Iterator[None]:
    """Turn the faults of a store into TransientError; a missing file stays FileNotFoundError.

    Args:
        uri: where.
        done: what could not be done to it, as a past participle.
    """
    try:
        yield
    except (FileNotFoundError, TransientError):
        raise
    except Exception as error:
        # every client of every store has its own tree of exceptions, most of them outside OSError
        raise TransientError(
            f"{uri}: could not be {done}: {type(error).__name__}: {error}. Check that the store is up, has space and"
            f" grants the right; then try again."
        ) from error


def locate(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it."""
    from fsspec.core import url_to_fs

    fs, path = url_to_fs(uri)
    return fs, str(path)


def is_local(fs: Any) -> bool:
    """Whether the file system is this machine's own."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def read_bytes(uri: str) -> bytes:
    """Read a whole file.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is away.
    """
    with store_faults(uri, "read"):
        fs, path = locate(uri)
        return bytes(fs.cat_file(path))


@contextmanager
def open_stream(uri: str) -> Iterator[Any]:
    """Open a file for reading, block by block.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is away, now or while it is read.
    """
    with store_faults(uri, "read"):
        fs, path = locate(uri)
        with fs.open(path, "rb") as stream:
            yield stream


def hash_file(uri: str) -> str:
    """The SHA-256 of a file of any size, in hexadecimal.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is away.
    """
    with open_stream(uri) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def exists(uri: str) -> bool:
    """Whether there is a file, now: what a client has cached is not asked.

    Raises:
        TransientError: the store is away.
    """
    with store_faults(uri, "looked at"):
        fs, path = locate(uri)
        fs.invalidate_cache()
        return bool(fs.isfile(path))


def write_bytes(uri: str, content: bytes) -> None:
    """Write a whole file, durably; a file of this name is replaced at once and never seen half.

    Raises:
        TransientError: the store is away or full; nothing is left behind under this name.
    """
    with store_faults(uri, "written"):
        fs, path = locate(uri)
        if is_local(fs):
            _install(Path(path), lambda part: part.write_bytes(content))
        else:
            fs.pipe_file(path, content)  # leaving `with fs.open(...)` by an exception would commit half an object


def copy_file(path: Path, uri: str) -> None:
    """Copy a file of this machine to a place in a store, durably; whole or not at all.

    Raises:
        TransientError: the store is away or full.
    """
    with store_faults(uri, "written"):
        fs, target = locate(uri)
        if not is_local(fs):
            fs.put_file(str(path), target)
            return
        _install(Path(target), lambda part: shutil.copyfile(path, part))


def move_file(path: Path, uri: str) -> None:
    """Move a file of this machine to a place in a store, durably; whole or not at all.

    Raises:
        TransientError: the store is away or full.
    """
    with store_faults(uri, "written"):
        fs, target = locate(uri)
        if not is_local(fs):
            fs.put_file(str(path), target)
            path.unlink()
            return
        _install(Path(target), lambda part: shutil.move(path, part))


def remove(uri: str) -> None:
    """Remove a file; it is no fault when it is gone already.

    Raises:
        TransientError: the store is away or refuses.
    """
    with store_faults(uri, "removed"):
        fs, path = locate(uri)
        try:
            fs.rm_file(path)
        except FileNotFoundError:
            return
        if is_local(fs):
            _sync_folder(Path(path).parent)


def _install(final: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a file beside its place, and put it there once it is on the disk: a commit may name it then."""
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        make(part)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
