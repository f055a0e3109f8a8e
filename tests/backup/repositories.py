"""Small places and files for the tests of backups."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from almanac.backup.restore.restore import Restored, restore
from almanac.backup.snapshot.sources import SourceFile, below
from almanac.backup.snapshot.writer import Draft, WrittenSnapshot, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import Maker, Ref
from almanac.backup.store.repository import BackupRepository

SUBJECT = "dataset/weather"
START = datetime(2026, 1, 1, tzinfo=UTC)
MAKER = Maker(dag_id="test", started_by="ada", reason="a test")


def repository_at(folder: Path, **settings: bool) -> BackupRepository:
    """A place with a key of its own."""
    return BackupRepository(LocalStore(folder), Key.new(), **settings)


def write_files(folder: Path, count: int = 5, seed: int = 1) -> dict[str, bytes]:
    """Files of many kinds: text, noise, empty, nested, larger than a piece."""
    draw = random.Random(seed)
    contents = {
        "empty": b"",
        "text.csv": b"time,value\n" + b"2026-01-01,1.5\n" * 3000,
        "nested/deep/noise.bin": draw.randbytes(50_000),
        "large.log": draw.randbytes(1000) * 1500,
        "packed.parquet": b"PAR1" + draw.randbytes(10_000) + b"PAR1",
    }
    contents |= {f"part-{number}": f"{seed} {number}".encode() * 50 for number in range(count)}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return contents


def from_bytes(path: str, content: bytes) -> SourceFile:
    """A file of a snapshot that lies nowhere."""
    return SourceFile(path, lambda: iter((content,)), len(content))


def snapshot(
    repository: BackupRepository, folder: Path, *, subject: str = SUBJECT, at: datetime | None = None, **more: Any
) -> WrittenSnapshot:
    """A snapshot of a folder."""
    clock = (lambda: at) if at else (lambda: datetime.now(UTC))
    return take(repository, Draft(subject, below(str(folder)), {"rows": 3}), maker=MAKER, clock=clock, **more)


def contents(folder: Path) -> Mapping[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def days(count: float) -> timedelta:
    return timedelta(days=count)


def object_path(repository: BackupRepository, taken: WrittenSnapshot, path: str) -> Path:
    """Where the object of a file lies."""
    entry = next(entry for entry in taken.manifest.files if entry.path == path)
    return Path(repository.uri) / entry.object_name


def manifest_path(repository: BackupRepository, ref: Ref) -> Path:
    return Path(repository.uri) / ref.path


def restored(repository: BackupRepository, subject: str, folder: Path) -> Restored:
    """Restore the newest snapshot of a subject into a new folder."""
    return restore(repository, Catalogue(repository).find(subject), folder)
