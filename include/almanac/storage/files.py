"""Reads, writes and removes whole files; no partial file is ever visible."""

import hashlib
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from almanac.config.location import path_of
from almanac.storage.disk import sync_path
from almanac.storage.errors import store_errors
from almanac.storage.local_files import open_regular, unlink_below
from almanac.storage.objects import is_remote, open_store

BLOCK = 4 << 20


def local_path(uri: str) -> Path:
    """The path of a file of this machine."""
    return Path(path_of(uri))


def read_bytes(uri: str) -> bytes:
    """Read a whole file.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is unreachable.
    """
    with store_errors(uri, "read"):
        if not is_remote(uri):
            with open_regular(local_path(uri)) as stream:
                return stream.read()
        import obstore

        return bytes(obstore.get(*open_store(uri)).bytes())


def read_blocks(uri: str) -> Iterator[bytes]:
    """Read a file of any size, block by block. Of an object that is replaced meanwhile, one version only.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is unreachable, now or while it is read.
    """
    blocks = _object_blocks(uri) if is_remote(uri) else _local_blocks(uri)
    while True:
        with store_errors(uri, "read"):  # not around the yield: what its taker does is not an error of ours
            block = next(blocks, None)
        if block is None:
            return
        yield block


def hash_file(uri: str) -> str:
    """The SHA-256 of a file of any size, in hexadecimal.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is unreachable.
    """
    if not is_remote(uri):
        with store_errors(uri, "read"), open_regular(local_path(uri)) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # a third faster than block by block
    digest = hashlib.sha256()
    for block in read_blocks(uri):
        digest.update(block)
    return digest.hexdigest()


def identity(uri: str) -> str | None:
    """What tells this file from any other that ever has its name; None: there is none, now.

    Raises:
        TransientError: the store is unreachable.
    """
    with store_errors(uri, "looked at"):
        try:
            if not is_remote(uri):
                facts = local_path(uri).stat()
                return f"{facts.st_ino} {facts.st_mtime_ns} {facts.st_size}"
            import obstore

            found = obstore.head(*open_store(uri))
        except FileNotFoundError:
            return None
        return f"{found['e_tag']} {found['last_modified'].isoformat()} {found['size']}"


def exists(uri: str) -> bool:
    """Whether there is a file, now.

    Raises:
        TransientError: the store is unreachable.
    """
    with store_errors(uri, "looked at"):
        if not is_remote(uri):
            try:
                return stat.S_ISREG(local_path(uri).lstat().st_mode)
            except FileNotFoundError:
                return False
        import obstore

        try:
            obstore.head(*open_store(uri))
        except FileNotFoundError:
            return False
        return True


def write_bytes(uri: str, content: bytes) -> None:
    """Write a whole file, durably; a file of this name is replaced at once and never seen half.

    Raises:
        TransientError: the store is unreachable or full; nothing is left behind under this name.
    """
    with store_errors(uri, "written"):
        if not is_remote(uri):
            _install(local_path(uri), lambda part: part.write_bytes(content))
            return
        import obstore

        obstore.put(*open_store(uri), content)


def copy_file(path: Path, uri: str) -> None:
    """Copy a file of this machine to a place in a store, durably; whole or not at all.

    Raises:
        TransientError: the store is unreachable or full.
    """
    with store_errors(uri, "written"):
        if not is_remote(uri):
            _install(local_path(uri), lambda part: shutil.copyfile(path, part))
            return
        import obstore

        obstore.put(*open_store(uri), path)


def move_file(path: Path, uri: str) -> None:
    """Move a file of this machine to a place in a store, durably; whole or not at all.

    Raises:
        TransientError: the store is unreachable or full; the file is where it was.
    """
    if is_remote(uri):
        copy_file(path, uri)
        path.unlink()
        return
    with store_errors(uri, "written"):
        _install(local_path(uri), lambda part: shutil.move(path, part))


def remove(uri: str, *, below: str = "") -> None:
    """Remove a file; it is not an error when it is gone already.

    Args:
        uri: the file.
        below: a folder in which others write; what lies behind a link in it stays.

    Raises:
        TransientError: the store is unreachable or refuses.
    """
    with store_errors(uri, "removed"):
        try:
            if is_remote(uri):
                import obstore

                obstore.delete(*open_store(uri))
            else:
                if below:
                    unlink_below(local_path(uri), local_path(below.rstrip("/")))
                else:
                    local_path(uri).unlink()
                sync_path(local_path(uri).parent)
        except FileNotFoundError:
            return


def _local_blocks(uri: str) -> Iterator[bytes]:
    with open_regular(local_path(uri)) as stream:
        while block := stream.read(BLOCK):
            yield block


def _object_blocks(uri: str) -> Iterator[bytes]:
    import obstore

    yield from obstore.get(*open_store(uri)).stream(min_chunk_size=BLOCK)


def _install(final: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a file beside its place, and put it there once it is on the disk: a commit may name it then."""
    final.parent.mkdir(parents=True, exist_ok=True)
    # An unpredictable name: other writers here could put a symbolic link in its place.
    part = final.with_name(f".{final.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        make(part)
        sync_path(part)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
    sync_path(final.parent)
