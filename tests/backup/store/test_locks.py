"""Locks of a backup repository."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.locks import locked
from almanac.backup.store.manifest import canonical
from almanac.errors import TransientError


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def test_locked_shared_go_together(store: LocalStore) -> None:
    with locked(store, "shared", "one", wait_s=0), locked(store, "shared", "two", wait_s=0) as second:
        assert second.held()
    assert list(store.list("locks")) == []


@pytest.mark.parametrize(("first", "second"), [("shared", "exclusive"), ("exclusive", "shared")])
def test_locked_exclusive_is_alone_and_names_the_holder(store: LocalStore, first, second) -> None:
    with (
        locked(store, first, "the first", wait_s=0),
        pytest.raises(TransientError, match=rf"locked by the first .*process {os.getpid()}"),
        locked(store, second, "the second", wait_s=0),
    ):
        pass


def test_locked_waits_for_the_other(store: LocalStore) -> None:
    ends = threading.Event()

    def hold() -> None:
        with locked(store, "exclusive", "sweep"):
            ends.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    while not list(store.list("locks")):
        pass
    threading.Timer(0.3, ends.set).start()
    with locked(store, "shared", "backup", wait_s=20) as lock:
        assert lock.held()
    holder.join()


def test_locked_of_a_process_that_was_killed_is_taken_at_once(store: LocalStore) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from almanac.backup.store.local_store import LocalStore;"
        " from almanac.backup.store.locks import locked\n"
        "with locked(LocalStore(Path(sys.argv[1])), 'exclusive', 'sweep'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.uri], check=False, cwd=Path(__file__).parents[3])
    assert len(list(store.list("locks"))) == 1
    with locked(store, "exclusive", "the next", wait_s=0):
        pass


def test_locked_of_another_machine_holds_until_its_time_is_over(store: LocalStore) -> None:
    other = {"kind": "exclusive", "what": "sweep", "host": "other", "machine": "m", "pid": 1, "started": "1"}
    soon = datetime.now(UTC) + timedelta(minutes=1)
    store.create("locks/a.json", canonical(other | {"until": soon.isoformat()}))
    with (
        pytest.raises(TransientError, match="locked by sweep \\(other, process 1\\)"),
        locked(store, "shared", "b", wait_s=0),
    ):
        pass
    store.remove("locks/a.json")
    past = datetime.now(UTC) - timedelta(minutes=6)
    store.create("locks/b.json", canonical(other | {"until": past.isoformat()}))
    with locked(store, "shared", "backup", wait_s=0):
        pass


def test_locked_where_machines_cannot_be_distinguished_holds_until_its_time_is_over(
    store: LocalStore, monkeypatch
) -> None:
    """No process of that number runs here; it may well run there."""
    monkeypatch.setattr("almanac.backup.store.locks._machine", lambda: "")
    other = {"kind": "exclusive", "what": "sweep", "host": "other", "machine": "", "pid": 2**22 + 1, "started": "1"}
    soon = datetime.now(UTC) + timedelta(minutes=1)
    store.create("locks/a.json", canonical(other | {"until": soon.isoformat()}))
    with pytest.raises(TransientError, match="locked by sweep"), locked(store, "shared", "b", wait_s=0):
        pass


def test_locked_of_a_process_on_another_machine_with_our_number_is_not_ours(store: LocalStore) -> None:
    other = {"kind": "exclusive", "what": "sweep", "host": "x", "machine": "m", "pid": os.getpid(), "started": "1"}
    soon = datetime.now(UTC) + timedelta(minutes=1)
    store.create("locks/a.json", canonical(other | {"until": soon.isoformat()}))
    with pytest.raises(TransientError, match="locked by sweep"), locked(store, "shared", "b", wait_s=0):
        pass


def test_lock_is_prolonged_for_as_long_as_it_is_held(store: LocalStore, monkeypatch) -> None:
    monkeypatch.setattr("almanac.backup.store.locks.HOLDS_FOR", timedelta(seconds=6))
    with locked(store, "shared", "backup", wait_s=0) as lock:
        first = store.read(lock.name, limit=10_000).data
        deadline = time.monotonic() + 60
        while store.read(lock.name, limit=10_000).data == first:
            assert time.monotonic() < deadline, "nobody prolongs it"
            time.sleep(0.05)
    keepers = {thread.name for thread in threading.enumerate() if thread.is_alive()}
    assert "lock backup" not in keepers or _ends("lock backup")


def _ends(name: str) -> bool:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(30)
            return not thread.is_alive()
    return True


def test_locked_damaged_lock_is_named_not_ignored(store: LocalStore) -> None:
    store.create("locks/a.json", b"{")
    with pytest.raises(TransientError, match=r"a damaged lock locks/a\.json"), locked(store, "shared", "b", wait_s=0):
        pass


def test_lock_taken_away_is_noticed(store: LocalStore) -> None:
    with locked(store, "shared", "backup", wait_s=0) as lock:
        store.remove(lock.name)
        assert not lock.held()
        with pytest.raises(TransientError, match="lock for backup was lost"):
            lock.require()


def test_lock_prolonged_holds_longer(store: LocalStore) -> None:
    with locked(store, "shared", "backup", wait_s=0) as lock:
        before = store.read(lock.name, limit=10_000).data
        lock.prolong()
        assert store.read(lock.name, limit=10_000).data > before
        assert lock.held()
