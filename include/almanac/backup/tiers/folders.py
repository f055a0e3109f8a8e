"""Tiers as folders: `objects` is hot, `cool` and `archive` beside it may be mount points of slower, cheaper disks."""

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from almanac.backup.tiers.port import OBJECTS, TIERS, Stored, Tier
from almanac.errors import IntegrityError
from almanac.failpoints import failpoint
from almanac.storage.disk import sync_path
from almanac.storage.errors import store_errors
from almanac.storage.files import hash_file
from almanac.storage.local_files import files_below, find_regular

FOLDERS: dict[Tier, str] = {"hot": OBJECTS, "cool": "cool", "archive": "archive"}
_COPY = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)


class TierFolders:
    """Keeps `almanac.backup.tiers.port.TierStore` in a folder. Its archive can be read at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stored(self) -> Iterator[Stored]:
        """All objects, the hotter of two."""
        seen: set[str] = set()
        with store_errors(str(self.root), "listed"):
            for tier, folder in FOLDERS.items():
                for name, _, found in files_below(self.root / folder, f"{OBJECTS}/"):
                    if name not in seen:
                        seen.add(name)
                        yield _stored(name, tier, found)

    def look(self, name: str) -> Stored | None:
        """One object."""
        with store_errors(f"{self.root}/{name}", "looked at"):
            for tier in TIERS:
                if found := find_regular(self.path(name, tier)):
                    return _stored(name, tier, found)
        return None

    def move(self, name: str, tier: Tier) -> None:
        """Put it in its new folder, durably, then take it out of the others."""
        target = self.path(name, tier)
        with store_errors(str(target), "moved"):
            others = [path for path in self.everywhere(name) if path != target and path.exists()]
            if not others:
                return
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _put(others[0], target)
            os.utime(target)  # tells since when it is there
            sync_path(target.parent)
            failpoint("backup_move")
            for path in others:
                path.unlink(missing_ok=True)
                sync_path(path.parent)

    def rehydrate(self, name: str, *, days: int) -> None:
        """A folder is never frozen."""

    def path(self, name: str, tier: Tier) -> Path:
        """Where an object of a tier lies."""
        return self.root / FOLDERS[tier] / name.removeprefix(f"{OBJECTS}/")

    def everywhere(self, name: str) -> tuple[Path, ...]:
        """Where an object may be stored, the fastest tier first."""
        return tuple(self.path(name, tier) for tier in TIERS)

    def where(self, name: str) -> Path:
        """Where an object lies; where it would lie when there is none."""
        # hot again at the end: it may be moved up while we look
        hot, *others = self.everywhere(name)
        return next((path for path in (hot, *others) if os.path.lexists(path)), hot)


def _put(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:  # a move died between its two steps; what appeared is whole
        return
    except OSError as error:
        if error.errno not in _COPY:
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """To another disk; the first one is not given up before the second reads the same."""
    part = target.with_name(f".part-{token_hex(6)}")
    try:
        shutil.copyfile(source, part)
        sync_path(part)
        if hash_file(str(part)) != hash_file(str(source)):
            raise IntegrityError(f"{target}: differs from what was copied there; is that disk damaged?")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _stored(name: str, tier: Tier, found: os.stat_result) -> Stored:
    return Stored(name, found.st_size, tier, datetime.fromtimestamp(found.st_mtime, UTC))
