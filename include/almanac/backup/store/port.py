"""What a backup repository must be able to do: a small contract, which a folder and an object store keep alike.

`tests/contracts/test_backup_store.py` is the contract; every store passes it.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from almanac.backup.tiers.port import TierStore
from almanac.errors import TransientError

CHUNK = 1 << 20


class ConflictError(TransientError):
    """Somebody else wrote what was to be replaced: read it again, decide again."""


@dataclass(frozen=True)
class Entry:
    """One stored file. `name` is relative to the repository, its parts separated by slashes."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class StoredContent:
    """A small file, and what tells this version of it from others."""

    data: bytes
    version: str


class Store(Protocol):
    """A backup repository. Names are relative, of plain parts, separated by slashes.

    A write appears completely or not at all, even if its writer is killed.

    Raises:
        TransientError: on every method, when the store is unreachable, full or refuses.
    """

    @property
    def uri(self) -> str:
        """Where it is, for messages."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file durably if there is none of this name; say whether it was written."""

    def replace(self, name: str, data: bytes, *, version: str) -> str:
        """Write a small file over the version that was read; give the new version.

        Raises:
            ConflictError: it is another version by now, or gone.
        """

    def read(self, name: str, *, limit: int) -> StoredContent:
        """Read a small file.

        Raises:
            FileNotFoundError: there is none.
            IntegrityError: it has more than `limit` bytes.
        """

    def stream(self, name: str) -> Iterator[bytes]:
        """The content of a file, piece by piece.

        Raises:
            FileNotFoundError: there is none.
            FrozenError: it lies in the archive, and was not asked for.
        """

    def head(self, name: str, count: int) -> bytes:
        """The first bytes of a file, at most `count`.

        Raises:
            FileNotFoundError: there is none.
            FrozenError: it lies in the archive, and was not asked for.
        """

    def find(self, name: str) -> Entry | None:
        """Size and age of a file; None when there is none."""

    def list(self, folder: str) -> Iterator[Entry]:
        """All files below a folder, in any order; none when there is no such folder."""

    def staging(self) -> AbstractContextManager[Path]:
        """A folder of this machine for files that will be adopted; it is removed at the end, with its content."""

    def adopt(self, path: Path, name: str, *, over: bool = False) -> bool:
        """Move a file of the staging folder to its place if there is none of this name; say whether it was written.

        It survives a power cut only after `sync`.

        Args:
            path: the file.
            name: where to.
            over: replace what is there, in one step.
        """

    def sync(self, names: Sequence[str]) -> None:
        """Wait until these files survive a power cut."""

    def remove(self, name: str) -> None:
        """Remove a file; it is not an error when it is gone already."""

    def clear_leftovers(self, *, older_than: datetime) -> int:
        """Remove what killed processes left unfinished before that time, and say how many."""

    def tiers(self) -> TierStore:
        """Where its objects lie, and how they are moved."""
