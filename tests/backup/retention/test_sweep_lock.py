"""A sweep whose lock was taken away deletes nothing more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from almanac.backup.retention.sweep import sweep
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.errors import TransientError
from tests.backup.repositories import MAKER, START, from_bytes, repository_at


class LosesItsLock:
    """A store from which somebody else removes the locks, as is done with abandoned ones, at a call of `method`."""

    def __init__(self, store, method: str) -> None:
        self._store, self._method = store, method

    def __getattr__(self, name: str):
        found = getattr(self._store, name)
        if name != self._method:
            return found

        def called(*args, **more):
            for lock in list(self._store.list("locks")):
                self._store.remove(lock.name)
            return found(*args, **more)

        return called


@pytest.mark.parametrize(
    ("lost_at", "manifests_gone"),
    [("list", False), ("remove", True)],
    ids=["before the first deletion", "between manifests and objects"],
)
def test_sweep_that_lost_its_lock_deletes_nothing_more(tmp_path, lost_at: str, manifests_gone: bool) -> None:
    repository = repository_at(tmp_path / "backups")
    old, new = (
        take(
            repository, Draft("dataset/weather", [from_bytes("file", content)], {}), maker=MAKER, clock=lambda: START
        ).ref
        for content in (b"old" * 100, b"new" * 100)
    )
    Catalogue(repository).add_tombstone(old, at=datetime.now(UTC) - timedelta(days=30), by="somebody", reason="test")
    objects = {entry.name for entry in repository.store.list("objects")}
    raced = replace(repository, store=LosesItsLock(repository.store, lost_at))
    with pytest.raises(TransientError, match="the lock for sweep was lost"):
        sweep(raced, grace=timedelta(), now=datetime.now(UTC) + timedelta(days=1), max_share=1.0)
    assert {entry.name for entry in repository.store.list("objects")} == objects
    assert (old not in Catalogue(repository).refs(forgotten=True)) == manifests_gone
    assert new in Catalogue(repository).refs()
