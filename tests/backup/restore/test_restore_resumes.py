"""A restore to the live places ends however often it is killed, and one member that fails does not keep the others."""

import multiprocessing
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from almanac import failpoints
from almanac.backup.restore.live import give_up, members, restore_live
from almanac.backup.restore.placement import stage, staged_name
from almanac.backup.restore.progress import record_file, unfinished
from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import key_file
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.delta_table import read_table
from almanac.errors import AlmanacError, ConfigError, IntegrityError, TransientError
from almanac.registry.store import Registry
from tests.backup.repositories import contents, repository_at
from tests.backup.world import MODEL, ROWS, World
from tests.waiting import wait

FORK = multiprocessing.get_context("fork")
POINTS = ("restore_files", "restore_staged", "restore_put", "restore_done")


@pytest.fixture(scope="module")
def taken(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[BackupRepository, Ref]:
    """A place with a snapshot of everything; no test changes it."""
    repository = repository_at(tmp_path_factory.mktemp("place") / "backups")
    return repository, world.backup(repository).everything([MODEL]).ref


@pytest.fixture
def own(taken: tuple[BackupRepository, Ref], tmp_path: Path) -> tuple[BackupRepository, Ref]:
    """A copy of it."""
    shutil.copytree(taken[0].uri, tmp_path / "backups")
    return BackupRepository(LocalStore(tmp_path / "backups"), taken[0].key), taken[1]


def home_at(folder: Path) -> Home:
    return Home(home=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")


def assert_whole(home: Home, world: World) -> None:
    """Everything is back, once, and nothing of the restore is left."""
    assert contents(Path(home.dataset_of(MODEL))) == contents(Path(world.home.dataset_of(MODEL)))
    assert contents(Path(home.predictions_of(MODEL))) == contents(Path(world.home.predictions_of(MODEL)))
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    champion = Registry.of(home).champion(MODEL)
    assert champion is not None
    assert Registry.of(home).load_onnx(champion) == world.registry.load_onnx(champion)
    assert unfinished(home) == []
    left = [path for path in home.home.rglob("*") if ".restoring-" in path.name or ".before-" in path.name]
    assert left == []
    assert list(home.scratch.iterdir()) == []


def _restore_and_stop(repository: BackupRepository, ref: Ref, home: Home, orders: Path) -> None:
    os.environ[failpoints.FOLDER_VARIABLE] = str(orders)
    restore_live(repository, ref, home)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("subject", ["database/mlflow", f"model/{MODEL}", f"outputs/{MODEL}"])
def test_killed_at_a_point_goes_on_there(
    taken: tuple[BackupRepository, Ref], world: World, tmp_path: Path, point: str, subject: str
) -> None:
    repository, ref = taken
    home, orders = home_at(tmp_path / "home"), tmp_path / "orders"
    orders.mkdir()
    (orders / f"{point}.{subject.replace('/', '-')}").touch()
    process = FORK.Process(target=_restore_and_stop, args=(repository, ref, home, orders))
    process.start()
    assert process.pid is not None
    mark = orders / f"{point}.{subject.replace('/', '-')}.reached"
    wait(lambda: mark.exists() or not process.is_alive(), "the restore to come to the point")
    assert mark.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert unfinished(home)
    done = {path: path.stat().st_ino for path in home.home.glob("*.db")}

    lines = restore_live(repository, ref, home)

    assert len(lines) == 7 + 3  # members, of which the outputs have four places, and the key
    assert_whole(home, world)
    if point == "restore_done":
        assert all(path.stat().st_ino == inode for path, inode in done.items())  # not brought a second time


def test_killed_at_random_moments_again_and_again_comes_to_its_end(
    taken: tuple[BackupRepository, Ref], world: World, tmp_path: Path
) -> None:
    repository, ref = taken
    home, draw = home_at(tmp_path / "home"), random.Random(7)
    for _ in range(12):
        process = FORK.Process(target=restore_live, args=(repository, ref, home))
        process.start()
        process.join(draw.uniform(0.0, 0.6))
        process.kill()
        process.join(60)
        if process.exitcode == 0 or (not unfinished(home) and (home.home / "journal.db").exists()):
            break  # all is back, though its process may have been killed before it ended
    else:
        restore_live(repository, ref, home)
    assert_whole(home, world)


def test_killed_while_it_replaces_damaged_data_loses_nothing_of_it(
    taken: tuple[BackupRepository, Ref], world: World, tmp_path: Path
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home")
    home.home.mkdir()
    (home.home / "mlflow.db").write_bytes(b"damaged")
    (home.home / "mlflow.db-wal").write_bytes(b"damaged, too")
    Path(home.dataset_of(MODEL)).mkdir(parents=True)
    Path(home.dataset_of(MODEL), "part.parquet").write_bytes(b"half")
    with pytest.raises(ConfigError, match=r"already exists\. Give --replace"):
        restore_live(repository, ref, home)
    for _ in range(6):
        process = FORK.Process(target=restore_live, args=(repository, ref, home), kwargs={"replace": True})
        process.start()
        process.join(0.15)
        process.kill()
        process.join(60)
        if not unfinished(home) and (home.home / "journal.db").exists():
            break  # all is back: one more try would move that aside, too
    else:
        restore_live(repository, ref, home, replace=True)
    aside = {path.name.split(".before-")[0]: path for path in home.home.rglob("*.before-*")}
    assert aside["mlflow.db"].read_bytes() == b"damaged"
    assert aside["mlflow.db-wal"].read_bytes() == b"damaged, too"
    assert (aside[MODEL] / "part.parquet").read_bytes() == b"half"
    assert len(aside) == 3
    for path in aside.values():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert_whole(home, world)


def damage(repository: BackupRepository, subject: str) -> tuple[Path, bytes]:
    """Cut one object of the newest snapshot in half; gives it, and what it held.

    A bit of a compressed object may flip without changing what is unpacked.
    """
    entry = max(Catalogue(repository).read(Catalogue(repository).find(subject)).files, key=lambda one: one.stored_size)
    path = Path(repository.uri) / entry.object_name
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    return path, before


def test_damaged_member_is_named_and_the_others_come_back(
    own: tuple[BackupRepository, Ref], world: World, tmp_path: Path
) -> None:
    repository, ref = own
    home = home_at(tmp_path / "home")
    path, before = damage(repository, "database/journal")
    with pytest.raises(IntegrityError) as caught:
        restore_live(repository, ref, home)
    message = str(caught.value)
    assert "1 of 6 snapshots could not be restored" in message
    assert "NOT BACK  database/journal@" in message
    assert f"is in {home.dataset_of(MODEL)}" in message
    assert "--give-up" in message
    assert not (home.home / "journal.db").exists()
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    inode = Path(home.dataset_of(MODEL)).stat().st_ino
    path.write_bytes(before)
    restore_live(repository, ref, home)
    assert Path(home.dataset_of(MODEL)).stat().st_ino == inode
    assert_whole(home, world)


def test_manifest_of_a_member_that_is_gone_keeps_no_other_back(
    own: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = own
    lost = next(one for one in members(repository, ref) if one.subject == "database/journal")
    (Path(repository.uri) / lost.path).unlink()
    with pytest.raises(IntegrityError, match=r"NOT BACK  database/journal@.*the manifest is missing"):
        restore_live(repository, ref, home_at(tmp_path / "home"))
    assert read_table(home_at(tmp_path / "home").dataset_of(MODEL)).height == ROWS[3]


def test_give_up_leaves_it_at_what_is_back(own: tuple[BackupRepository, Ref], tmp_path: Path) -> None:
    repository, ref = own
    home = home_at(tmp_path / "home")
    damage(repository, "database/journal")
    with pytest.raises(IntegrityError):
        restore_live(repository, ref, home)
    lines = give_up(home, ref)
    assert any("database/journal@" in line and "is not back" in line for line in lines)
    assert any(f"is in {home.dataset_of(MODEL)}" in line for line in lines)
    assert unfinished(home) == []
    assert give_up(home, ref) == []


def test_what_is_in_place_is_read_again(
    taken: tuple[BackupRepository, Ref], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses a byte between the rename and the look at it."""
    repository, _ = taken
    from almanac.backup.restore import live

    put = live.put

    def put_and_damage(staged: Path, target: Path, **more: object) -> None:
        put(staged, target, **more)
        path = next(path for path in target.rglob("*.parquet"))
        path.write_bytes(path.read_bytes()[:-1] + b"X")

    monkeypatch.setattr(live, "put", put_and_damage)
    home, ref = home_at(tmp_path / "home"), Catalogue(repository).find(f"dataset/{MODEL}")
    with pytest.raises(IntegrityError, match="missing or differ from the backup, for example"):
        restore_live(repository, ref, home)
    monkeypatch.undo()
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    with pytest.raises(ConfigError, match=r"already exists\. Give --replace"):
        restore_live(repository, ref, home)
    restore_live(repository, ref, home, replace=True)
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]


def test_what_was_removed_since_the_earlier_try_is_brought_again(
    own: tuple[BackupRepository, Ref], world: World, tmp_path: Path
) -> None:
    repository, ref = own
    home = home_at(tmp_path / "home")
    path, before = damage(repository, "database/journal")
    with pytest.raises(IntegrityError):
        restore_live(repository, ref, home)
    shutil.rmtree(home.dataset_of(MODEL))
    path.write_bytes(before)
    restore_live(repository, ref, home)
    assert_whole(home, world)


def test_to_another_disk_is_copied_whole(
    taken: tuple[BackupRepository, Ref], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, ref = taken
    home, rename = home_at(tmp_path / "home"), Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if "restore-live" in str(self) and ".restoring-" in str(target):
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    restore_live(repository, ref, home)
    monkeypatch.undo()
    assert_whole(home, world)


def test_full_disk_leaves_no_half_copy_and_is_a_passing_fault(
    taken: tuple[BackupRepository, Ref], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, _ = taken
    home = home_at(tmp_path / "home")
    source, target = tmp_path / "source", Path(home.dataset_of(MODEL))
    source.mkdir()

    def full(_: Path, staged: Path) -> None:
        staged.mkdir()
        (staged / "half").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copytree", full)
        patched.setattr("almanac.backup.restore.placement.Path.rename", refuse)
        with pytest.raises(TransientError, match="No space left on device"):
            stage(source, target, staged_name(target, "abc"))
    assert list(Path(home.datasets).iterdir()) == []
    restore_live(repository, Catalogue(repository).find(f"dataset/{MODEL}"), home)


def test_second_restore_at_once_is_turned_away(taken: tuple[BackupRepository, Ref], tmp_path: Path) -> None:
    from almanac.config.credentials import private_folder
    from almanac.storage.locks import locked

    repository, ref = taken
    home = home_at(tmp_path / "home")
    private_folder(home.home / "restores")
    with (
        locked(home.home / "restores" / "lock", lambda: None, timeout_s=1),
        pytest.raises(TransientError, match="still locked by another process"),
    ):
        restore_live(repository, ref, home)


def test_whole_installation_goes_on_with_the_key_of_its_snapshots(
    taken: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home")
    restore_live(repository, Catalogue(repository).find(f"dataset/{MODEL}"), home)
    assert not key_file(home).exists()
    home = home_at(tmp_path / "other")
    restore_live(repository, ref, home)
    assert repository.key is not None
    assert key_file(home).read_text("utf-8").strip() == repository.key.text
    assert key_file(home).stat().st_mode & 0o777 == 0o600


def test_record_that_cannot_be_read_says_what_to_do(taken: tuple[BackupRepository, Ref], tmp_path: Path) -> None:
    repository, ref = taken
    home = home_at(tmp_path / "home")
    record_file(home, ref).parent.mkdir(parents=True)
    record_file(home, ref).write_text("{half")
    with pytest.raises(ConfigError, match="records how far a restore is; remove it"):
        restore_live(repository, ref, home)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    orders = tmp_path / "orders"
    orders.mkdir()
    return orders


def _restore_to_and_stop(repository: BackupRepository, ref: Ref, target: Path, orders: Path) -> None:
    os.environ[failpoints.FOLDER_VARIABLE] = str(orders)
    restore_to(Restores(repository, ref, target), lambda _: None)


def test_to_a_folder_killed_goes_on_and_looks_at_what_is_there(
    own: tuple[BackupRepository, Ref], tmp_path: Path, stopped: Path
) -> None:
    repository, ref = own
    target = tmp_path / "back"
    (stopped / f"restore_member.dataset-{MODEL}").touch()
    process = FORK.Process(target=_restore_to_and_stop, args=(repository, ref, target, stopped))
    process.start()
    assert process.pid is not None
    mark = stopped / f"restore_member.dataset-{MODEL}.reached"
    wait(lambda: mark.exists() or not process.is_alive(), "the restore to come to the point")
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    text: list[str] = []
    done = restore_to(Restores(repository, ref, target), text.append)
    assert any(line.endswith("already") and "dataset/" in line for line in text)
    assert any("outputs/" in line and not line.endswith("already") for line in text)
    assert len(done.folders) == 6
    assert list(target.glob("*.json")) == []
    with pytest.raises(AlmanacError, match="in use"):
        restore_to(Restores(repository, ref, target), text.append)


def test_to_a_folder_what_changed_since_the_earlier_try_is_named(
    own: tuple[BackupRepository, Ref], tmp_path: Path
) -> None:
    repository, ref = own
    target = tmp_path / "back"
    path, before = damage(repository, f"outputs/{MODEL}")
    with pytest.raises(
        IntegrityError, match=r"(?s)1 of 6 snapshots could not be restored to .*NOT BACK  outputs/weather"
    ):
        restore_to(Restores(repository, ref, target), lambda _: None)
    path.write_bytes(before)
    changed = target / "database" / "journal" / "journal.db"
    changed.write_bytes(b"otherwise")
    with pytest.raises(IntegrityError, match=r"was restored by an earlier attempt, and has changed since: journal\.db"):
        restore_to(Restores(repository, ref, target), lambda _: None)
    shutil.rmtree(changed.parent)
    assert len(restore_to(Restores(repository, ref, target), lambda _: None).folders) == 6
