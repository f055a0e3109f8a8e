"""The contract of a backup repository: a folder, S3 and Azure keep it alike."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.store.port import ConflictError, Store
from almanac.errors import IntegrityError


@pytest.fixture(params=["folder", "s3", "azure"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(f"{request.param}_backup_store")
    return found


def test_create_absent_writes(store: Store) -> None:
    assert store.create("manifests/a/b.json", b"one")
    assert store.read("manifests/a/b.json", limit=10).data == b"one"


def test_create_present_changes_nothing(store: Store) -> None:
    store.create("a/b", b"one")
    assert not store.create("a/b", b"two")
    assert store.read("a/b", limit=10).data == b"one"


def test_create_ten_at_once_one_wins(store: Store) -> None:
    won: list[int] = []

    def race(number: int) -> None:
        if store.create("race", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("race", limit=10).data == str(won[0]).encode()


def test_replace_version_that_was_read_writes(store: Store) -> None:
    store.create("pointer", b"one")
    version = store.replace("pointer", b"two", version=store.read("pointer", limit=10).version)
    assert store.read("pointer", limit=10) == type(store.read("pointer", limit=10))(b"two", version)


def test_replace_other_version_is_refused(store: Store) -> None:
    store.create("pointer", b"one")
    old = store.read("pointer", limit=10).version
    store.replace("pointer", b"two", version=old)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.replace("pointer", b"three", version=old)
    assert store.read("pointer", limit=10).data == b"two"


def test_replace_missing_is_refused(store: Store) -> None:
    store.create("pointer", b"one")
    version = store.read("pointer", limit=10).version
    store.remove("pointer")
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.replace("pointer", b"two", version=version)


def test_replace_ten_at_once_loses_nothing(store: Store) -> None:
    store.create("counter", b"0")

    def count() -> None:
        while True:
            found = store.read("counter", limit=10)
            try:
                store.replace("counter", str(int(found.data) + 1).encode(), version=found.version)
                return
            except ConflictError:
                continue

    threads = [threading.Thread(target=count) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read("counter", limit=10).data == b"10"


def test_read_missing_is_file_not_found(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("nothing", limit=10)


def test_read_larger_than_its_kind_is_refused(store: Store) -> None:
    store.create("large", b"x" * 100)
    with pytest.raises(IntegrityError, match="more than any file of this kind has"):
        store.read("large", limit=99)


@pytest.mark.parametrize("size", [0, 1, 9 << 20])
def test_adopt_absent_moves_the_file_whole(store: Store, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with store.staging() as folder:
        staged = folder / "new"
        staged.write_bytes(content)
        assert store.adopt(staged, "objects/ab/abc")
        assert not staged.exists()
    store.sync(["objects/ab/abc"])
    assert b"".join(store.stream("objects/ab/abc")) == content
    found = store.find("objects/ab/abc")
    assert found is not None
    assert found.size_bytes == size


def test_adopt_present_keeps_what_is_there(store: Store) -> None:
    store.create("objects/ab/abc", b"first")
    with store.staging() as folder:
        (folder / "new").write_bytes(b"second")
        assert not store.adopt(folder / "new", "objects/ab/abc")
    assert b"".join(store.stream("objects/ab/abc")) == b"first"


def test_staging_exception_leaves_nothing(store: Store) -> None:
    with suppress(ZeroDivisionError), store.staging() as folder:
        (folder / "new").write_bytes(b"half")
        raise ZeroDivisionError
    assert not folder.exists()
    assert list(store.list("objects")) == []


def test_stream_missing_is_file_not_found(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        next(iter(store.stream("nothing")))


def test_head_gives_the_first_bytes(store: Store) -> None:
    store.create("object", b"0123456789")
    store.create("short", b"01")
    store.create("none", b"")
    assert [store.head(name, 4) for name in ("object", "short", "none")] == [b"0123", b"01", b""]


def test_find_missing_is_none(store: Store) -> None:
    assert store.find("nothing") is None


def test_list_names_all_files_below_a_folder(store: Store) -> None:
    for name in ("objects/ab/1", "objects/cd/2", "objectsx/3", "manifests/4"):
        store.create(name, b"12")
    listed = {entry.name: entry for entry in store.list("objects")}
    assert sorted(listed) == ["objects/ab/1", "objects/cd/2"]
    entry = listed["objects/ab/1"]
    assert entry.size_bytes == 2
    assert abs(datetime.now(UTC) - entry.modified_at) < timedelta(minutes=5)


def test_list_missing_folder_is_empty(store: Store) -> None:
    assert list(store.list("nothing")) == []


def test_remove_twice_is_no_fault(store: Store) -> None:
    store.create("a/b", b"one")
    store.remove("a/b")
    store.remove("a/b")
    assert store.find("a/b") is None


def test_clear_leftovers_takes_old_staging_only(store: Store) -> None:
    with store.staging() as folder:
        (folder / "half").write_bytes(b"x")
        assert store.clear_leftovers(older_than=datetime.now(UTC) - timedelta(hours=1)) == 0
        assert folder.exists()


def test_folder_clear_leftovers_removes_what_a_killed_process_left(folder_backup_store: Store) -> None:
    killed = folder_backup_store.staging()  # never left
    staging = killed.__enter__()
    assert folder_backup_store.clear_leftovers(older_than=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert not staging.exists()


def test_folder_without_links_still_creates_only(folder_backup_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert folder_backup_store.create("a", b"one")
    assert not folder_backup_store.create("a", b"two")
    assert Path(folder_backup_store.uri, "a").read_bytes() == b"one"
