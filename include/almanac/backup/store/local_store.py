"""A backup repository in a folder of this machine, or of a disk that is mounted here."""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from almanac.backup.store.port import CHUNK, ConflictError, Entry, StoredContent
from almanac.backup.tiers.folders import TierFolders
from almanac.backup.tiers.port import OBJECTS, TierStore
from almanac.errors import IntegrityError
from almanac.storage import disk
from almanac.storage.errors import store_errors
from almanac.storage.local_files import OtherFileError, files_below, find_regular, open_regular

_STAGING = "tmp"
_SWAPPED_BYTES = 1 << 20
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file of the repository, which makes no others.

    Raises:
        FileNotFoundError: there is none.
        IntegrityError: something else lies in its place.
    """
    try:
        stream = open_regular(path)
    except OtherFileError as error:
        raise IntegrityError(
            f"{path}: not a regular file; got a link, a pipe, a device or a folder, which Almanac never makes. It was"
            " not read. Check who can write there, and remove it; restore what it replaced from the secondary"
            " repository"
        ) from error
    with stream:
        yield stream


class LocalStore:
    """Keeps `almanac.backup.store.port.Store`: temporary name, link if absent, then the disk is synced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unsynced: set[Path] = set()
        self._tiers = TierFolders(root)

    @property
    def uri(self) -> str:
        """Where it is."""
        return str(self.root)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file durably if there is none of this name."""
        with store_errors(f"{self.root}/{name}", "written"), self.staging() as folder:
            part = folder / "new"
            part.write_bytes(data)
            disk.sync_path(part)
            created = self._adopt(part, name)
            self._sync()
        return created

    def replace(self, name: str, data: bytes, *, version: str) -> str:
        """Write over the version that was read; writers of this folder wait for each other."""
        path = self._path(name)
        with store_errors(str(path), "written"), self._exclusive(), self.staging() as folder:
            try:
                found = self.read(name, limit=_SWAPPED_BYTES).version
            except FileNotFoundError:
                found = "none"
            if found != version:
                raise ConflictError(f"{path}: was changed meanwhile; read it again")
            part = folder / "new"
            part.write_bytes(data)
            disk.sync_path(part)
            part.replace(path)
            disk.sync_path(path.parent)
        return _version(data)

    def read(self, name: str, *, limit: int) -> StoredContent:
        """Read a small file."""
        path = self._path(name)
        with store_errors(str(path), "read"), _opened(path) as stream:
            data = _read(stream, limit + 1)
        if len(data) > limit:
            raise IntegrityError(
                f"{path}: more than {limit} bytes, more than any file of this kind has; do not trust it"
            )
        return StoredContent(data, _version(data))

    def stream(self, name: str) -> Iterator[bytes]:
        """The content, piece by piece."""
        path = self._path(name)
        with store_errors(str(path), "read"), _opened(path) as stream:
            while piece := stream.read(CHUNK):
                yield piece

    def head(self, name: str, count: int) -> bytes:
        """The first bytes."""
        path = self._path(name)
        with store_errors(str(path), "read"), _opened(path) as stream:
            return _read(stream, count)

    def find(self, name: str) -> Entry | None:
        """Size and age."""
        path = self._path(name)
        with store_errors(str(path), "looked at"):
            found = find_regular(path)
        return None if found is None else _entry(name, found)

    def list(self, folder: str) -> Iterator[Entry]:
        """All files below a folder; objects of all tiers."""
        if folder == OBJECTS:
            yield from (Entry(one.name, one.size_bytes, one.since) for one in self._tiers.stored())
            return
        with store_errors(f"{self.root}/{folder}", "listed"):
            for name, _, found in files_below(self.root / folder, f"{folder}/"):
                yield _entry(name, found)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the same disk, so that adopting is a rename."""
        folder = self.root / _STAGING / f"{os.getpid()}-{secrets.token_hex(6)}"
        with store_errors(str(folder), "made"):
            folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, path: Path, name: str, *, over: bool = False) -> bool:
        """Move a staged file to its place if there is none of this name, or over it."""
        with store_errors(f"{self.root}/{name}", "written"):
            return self._adopt(path, name, over=over)

    def sync(self, names: Sequence[str]) -> None:
        """Sync files and their folders."""
        with store_errors(self.uri, "synced"):
            paths = {self._path(name) for name in names}
            self._unsynced.update(folder for path in paths for folder in (path.parent, path.parent.parent))
            self._sync(paths)

    def remove(self, name: str) -> None:
        """Remove a file, durably, from whatever tier."""
        paths = self._tiers.everywhere(name) if _is_object(name) else (self.root / name,)
        with store_errors(f"{self.root}/{name}", "removed"):
            for path in paths:
                path.unlink(missing_ok=True)
                if path.parent.exists():
                    disk.sync_path(path.parent)

    def clear_leftovers(self, *, older_than: datetime) -> int:
        """Remove staging folders that a killed process left."""
        staging = self.root / _STAGING
        limit = older_than.timestamp()
        with store_errors(str(staging), "cleared"):
            folders = list(staging.iterdir()) if staging.is_dir() else []
            old = [folder for folder in folders if folder.stat().st_mtime < limit]
            for folder in old:
                shutil.rmtree(folder)
        return len(old)

    def tiers(self) -> TierStore:
        """Folders."""
        return self._tiers

    def _path(self, name: str) -> Path:
        return self._tiers.where(name) if _is_object(name) else self.root / name

    def _adopt(self, path: Path, name: str, *, over: bool = False) -> bool:
        final = self.root / name if over else self._path(name)
        if not final.parent.is_dir():
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._unsynced.update((final.parent.parent, final.parent.parent.parent))
        self._unsynced.add(final.parent)
        disk.start_writing(path)
        if over:
            path.replace(final)
            return True
        try:
            os.link(path, final)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._rename_if_absent(path, final)
        path.unlink()
        return True

    def _rename_if_absent(self, path: Path, final: Path) -> bool:
        """For disks without links (exFAT): writers of this repository wait for each other."""
        with self._exclusive():
            if final.exists():
                return False
            path.replace(final)
        return True

    def _sync(self, paths: Collection[Path] = ()) -> None:
        found = set(paths)
        while self._unsynced:
            found.add(self._unsynced.pop())
        disk.sync_paths(found, self.root)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.root / ".swap", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # the kernel frees it however this process ends
            yield
        finally:
            os.close(descriptor)


def _is_object(name: str) -> bool:
    return name.startswith(f"{OBJECTS}/")


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _read(stream: BinaryIO, count: int) -> bytes:
    """At most so many bytes; fewer only at the end."""
    parts: list[bytes] = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
