"""Whatever dies at whatever point: no manifest ever names what is not there, and the next run goes on.

A process is killed (SIGKILL) right before or after one of its operations on the store, chosen at random; then the place
is looked at by others.
"""

import itertools
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from almanac.backup.restore.restore import restore
from almanac.backup.retention.sweep import plan_sweep, sweep
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.snapshot.verify import verify
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.repository import BackupRepository
from almanac.backup.tiers import folders
from almanac.errors import TransientError
from tests.backup.repositories import START, SUBJECT, contents, days, snapshot, write_files

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=30)
GRACE = timedelta(days=7)
KEY = Key.new()
FORK = multiprocessing.get_context("fork")
OPERATIONS = ("create", "replace", "read", "stream", "head", "find", "list", "adopt", "sync", "remove")


class KillingStore(LocalStore):
    """Kills its own process around the n-th operation."""

    def __init__(self, root: Path, at: int) -> None:
        super().__init__(root)
        self.left = at

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in OPERATIONS:
            return found

        def operate(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = found(*arguments, **named)
            if self.left == 1:
                self.left = -1
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return operate


def repository_at(root: Path, at: int = 0) -> BackupRepository:
    return BackupRepository(KillingStore(root, at) if at else LocalStore(root), KEY, workers=1)


class Scene:
    """A place with three snapshots, of which one is forgotten, and a source that has changed since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.first, self.second = folder / "source", folder / "first", folder / "second"
        for number in range(3):
            write_files(self.source, count=2, seed=number)
            snapshot(repository_at(self.first), self.source, at=START + days(number))
        self.before = contents(self.source)
        oldest = Catalogue(repository_at(self.first)).refs()[0]
        Catalogue(repository_at(self.first)).add_tombstone(oldest, at=NOW, by="ada", reason="old")
        write_files(self.source, count=2, seed=9)

    def back_up(self, at: int) -> None:
        snapshot(repository_at(self.first, at), self.source, at=START + days(9))

    def forget(self, at: int) -> None:
        catalogue = Catalogue(repository_at(self.first, at))
        second = catalogue.refs(forgotten=True)[1]
        catalogue.add_tombstone(second, at=NOW, by="ada", reason="old")

    def sweep(self, at: int) -> None:
        sweep(repository_at(self.first, at), grace=GRACE, now=LATER, max_share=1.0)

    def restore(self, at: int) -> None:
        repository = repository_at(self.first, at)
        restore(repository, Catalogue(repository).find(SUBJECT), self.folder / "back")

    def replicate(self, at: int) -> None:
        replicate(repository_at(self.first), repository_at(self.second, at))

    def move(self, at: int) -> None:
        """Killed between any two steps within a move, not only between moves."""
        steps = itertools.count(1)

        def counted(step: Callable[..., Any]) -> Callable[..., Any]:
            def operate(*arguments: Any, **named: Any) -> Any:
                if next(steps) == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return step(*arguments, **named)

            return operate

        tiers = repository_at(self.first).store.tiers()
        with pytest.MonkeyPatch.context() as patched:
            for name in ("_put", "sync_path", "failpoint"):
                patched.setattr(folders, name, counted(getattr(folders, name)))
            for one in sorted(tiers.stored(), key=lambda one: one.name):
                tiers.move(one.name, "cool")


ACTIONS: dict[str, Callable[[Scene, int], None]] = {
    "backup": Scene.back_up,
    "forget": Scene.forget,
    "sweep": Scene.sweep,
    "restore": Scene.restore,
    "replicate": Scene.replicate,
    "move": Scene.move,
}

# so many operations each has, or somewhat fewer
OF = {"backup": 40, "forget": 3, "sweep": 25, "restore": 15, "replicate": 45, "move": 40}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, copied for each death."""
    return Scene(tmp_path_factory.mktemp("scene")).folder


def killed(scene: Path, folder: Path, name: str, at: int) -> bool:
    """Let a copy of the scene die, then check everything; says whether it died before it was done."""
    shutil.copytree(scene, folder)
    copy = Scene.__new__(Scene)
    copy.folder, copy.source, copy.first, copy.second = (folder, folder / "source", folder / "first", folder / "second")
    process = FORK.Process(target=ACTIONS[name], args=(copy, at))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    for root in (copy.first, copy.second):
        if root.exists():
            repository = repository_at(root)
            found = verify(repository, Catalogue(repository).refs(), level=3, now=NOW).findings
            assert not [finding.text for finding in found if finding.fatal]
    back = folder / "back"
    assert not back.exists() or len(contents(back)) == len(contents(copy.source))
    ACTIONS[name](copy, 0) if not back.exists() else None  # the next run goes on at once, whatever lies there
    sweep(repository_at(copy.first), grace=GRACE, now=LATER, max_share=1.0)
    assert plan_sweep(repository_at(copy.first), grace=GRACE, now=LATER).objects == {}
    newest = restore(repository_at(copy.first), Catalogue(repository_at(copy.first)).find(SUBJECT), folder / "proof")
    assert len(contents(newest.folder)) == 7
    shutil.rmtree(folder)
    return process.exitcode != 0


@pytest.mark.parametrize("name", ACTIONS)
def test_killed_at_random_points_leaves_nothing_dangling(scene: Path, tmp_path: Path, name: str) -> None:
    draw = random.Random(name)
    died = [killed(scene, tmp_path / str(number), name, draw.randint(1, OF[name])) for number in range(8)]
    assert any(died)


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTIONS)
def test_killed_at_200_points_leaves_nothing_dangling(scene: Path, tmp_path: Path, name: str) -> None:
    draw = random.Random()
    died = [killed(scene, tmp_path / str(number), name, draw.randint(1, OF[name])) for number in range(40)]
    assert sum(died) > 20


def test_two_backups_and_one_sweep_at_once_leave_nothing_dangling(tmp_path: Path) -> None:
    """Each backup takes up objects of a snapshot that was just forgotten and whose grace is none: the sweep's prey."""
    root = tmp_path / "place"
    write_files(tmp_path / "source", count=3)
    processes = [FORK.Process(target=_forget_and_back_up, args=(root, tmp_path / "source", name)) for name in "ab"]
    processes.append(FORK.Process(target=_sweep_for, args=(root, 3.0)))
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    repository = repository_at(root)
    assert len(Catalogue(repository).refs()) == 2
    found = verify(repository, Catalogue(repository).refs(), level=3, now=NOW).findings
    assert not [finding.text for finding in found if finding.fatal]
    assert list(repository.store.list("locks")) == []


def _forget_and_back_up(root: Path, source: Path, name: str) -> None:
    catalogue = Catalogue(repository_at(root))
    for _ in range(8):
        for ref in catalogue.refs(f"dataset/{name}"):
            catalogue.add_tombstone(ref, at=START, by="ada", reason="old")
        snapshot(repository_at(root), source, subject=f"dataset/{name}")


def _sweep_for(root: Path, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            sweep(repository_at(root), grace=timedelta(0), now=LATER, max_share=1.0)
        except FileNotFoundError:  # no place yet
            time.sleep(0.01)


def test_backup_that_was_stopped_while_others_swept_takes_its_manifest_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between its last look at the lock and its manifest; its lock ran out, and an object was swept."""
    write_files(tmp_path / "source")
    repository = repository_at(tmp_path / "place")
    add = Catalogue.add

    def stopped(self: Catalogue, manifest: Any) -> Any:
        for entry in list(repository.store.list("locks")):
            repository.store.remove(entry.name)
        repository.store.remove(manifest.files[0].object_name)
        return add(self, manifest)

    monkeypatch.setattr(Catalogue, "add", stopped)
    with pytest.raises(TransientError, match="the lock for backup of dataset/weather was lost"):
        snapshot(repository, tmp_path / "source")
    assert Catalogue(repository).refs() == ()


def test_place_that_may_not_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write_files(tmp_path / "source")
    monkeypatch.setattr("os.link", refused)
    with pytest.raises(TransientError, match=r"Permission denied.*grants access"):
        snapshot(repository_at(tmp_path / "place"), tmp_path / "source")
