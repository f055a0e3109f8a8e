"""The watcher fires once for every group of settled files, and again after a death for what landed meanwhile."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from almanac.errors import TransientError
from almanac.storage.files import remove, write_bytes
from almanac_airflow.triggers.landing import LandingTrigger
from tests.servers.s3 import S3Server
from tests.servers.stores import Store

SETTLE_S = 2.0


def trigger(folder: str = "weather", root: str = "/landing") -> LandingTrigger:
    return LandingTrigger(root=root, folder=folder, patterns=["*.csv"], poll_s=0.05, settle_s=SETTLE_S)


def old() -> float:
    return time.time() - 60


async def stream(*listings: dict[str, dict[str, list[Any]]]) -> AsyncIterator[Any]:
    for listing in listings:
        yield listing


def events(watcher: LandingTrigger, *listings: dict[str, dict[str, list[Any]]]) -> list[dict[str, Any]]:
    async def collect() -> list[dict[str, Any]]:
        return [event.payload async for event in watcher.filter_shared_stream(stream(*listings))]

    return asyncio.run(collect())


class AssetState:
    """Keeps an asset's state as the triggerer does."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


def test_trigger_settled_files_emit_once_together() -> None:
    listing = {"weather": {"a.csv": [10, old()], "b.csv": [11, old()]}}
    assert events(trigger(), listing, listing, listing, listing) == [
        {"folder": "weather", "files": 2, "first": "a.csv"}
    ]


def test_trigger_growing_file_does_not_emit() -> None:
    growing = [{"weather": {"a.csv": [size, old()]}} for size in range(5)]
    assert events(trigger(), *growing) == []


def test_trigger_fresh_file_waits_until_it_has_settled() -> None:
    fresh = {"weather": {"a.csv": [10, time.time()]}}
    assert events(trigger(), fresh, fresh, fresh) == []


def test_trigger_other_model_or_name_does_not_emit() -> None:
    listing = {"tides": {"a.csv": [10, old()]}, "weather": {"a.txt": [10, old()]}}
    assert events(trigger(), listing, listing, listing) == []


def test_trigger_changed_file_fires_again() -> None:
    first, second = {"weather": {"a.csv": [10, old()]}}, {"weather": {"a.csv": [12, old()]}}
    assert len(events(trigger(), first, first, second, second)) == 2


def test_trigger_removed_and_landed_again_fires_again() -> None:
    there, gone = {"weather": {"a.csv": [10, 1000.0]}}, {"weather": {}}
    assert len(events(trigger(), there, there, gone, there, there)) == 2


def test_trigger_after_death_fires_only_for_what_landed_meanwhile() -> None:
    store, seen = AssetState(), {"weather": {"a.csv": [10, 1000.0]}}
    before = trigger()
    before.asset_state_store = store  # type: ignore[assignment]
    assert len(events(before, seen, seen)) == 1
    after = trigger()
    after.asset_state_store = store  # type: ignore[assignment]
    assert events(after, seen, seen) == []
    more = {"weather": {"a.csv": [10, 1000.0], "b.csv": [3, 1000.0]}}
    assert events(after, more, more) == [{"folder": "weather", "files": 1, "first": "b.csv"}]


def test_trigger_models_of_one_root_share_one_listing() -> None:
    assert trigger("weather").shared_stream_key() == trigger("tides").shared_stream_key()
    assert trigger("weather").shared_stream_key() != trigger("weather", root="s3://other").shared_stream_key()


def test_trigger_real_folder_is_found(tmp_path: Path) -> None:
    landed = tmp_path / "weather" / "a.csv"
    landed.parent.mkdir()
    landed.write_text("x\n1\n", "utf-8")
    (landed.parent / ".b.csv.part").write_text("x", "utf-8")
    os.utime(landed, (old(), old()))

    async def first() -> dict[str, Any]:
        async for event in trigger(root=str(tmp_path)).run():
            return event.payload
        raise AssertionError("the stream ended")

    assert asyncio.run(asyncio.wait_for(first(), 10)) == {"folder": "weather", "files": 1, "first": "a.csv"}


def test_trigger_serialized_builds_the_same() -> None:
    path, arguments = trigger().serialize()
    assert path == "almanac_airflow.triggers.landing.LandingTrigger"
    assert LandingTrigger(**arguments).serialize() == (path, arguments)


def test_trigger_on_deleted_fires_for_files_that_are_gone_only() -> None:
    watcher = LandingTrigger(
        root="/landing", folder="weather", patterns=["*.csv"], poll_s=0.05, settle_s=SETTLE_S, on="deleted"
    )
    both = {"weather": {"a.csv": [10, old()], "b.csv": [11, old()]}}
    left = {"weather": {"b.csv": both["weather"]["b.csv"]}}
    assert events(watcher, both, both, left, left) == [{"folder": "weather", "files": 1, "first": "a.csv"}]


def test_trigger_same_size_in_the_same_second_fires_by_its_etag() -> None:
    first, second = ({"weather": {"a.csv": [10, 1000.0, etag]}} for etag in ("e1", "e2"))
    assert len(events(trigger(), first, first, second, second)) == 2


def fired(watcher: LandingTrigger, changes: list[Callable[[], None]]) -> list[dict[str, Any]]:
    """The events of a watcher at a real store, where each is followed by the next change."""

    async def collect() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for event in watcher.run():
            found.append(event.payload)
            if len(found) == len(changes):
                break
            changes[len(found)]()
        return found

    changes[0]()
    return asyncio.run(asyncio.wait_for(collect(), 60))


def test_trigger_fires_for_objects_that_come_and_change(any_store: Store) -> None:
    place = f"{any_store.uri}/weather"

    def hundreds() -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: write_bytes(f"{place}/{number:03}.csv", b"x"), range(300)))

    watcher = LandingTrigger(root=any_store.uri, folder="weather", patterns=["*.csv"], poll_s=0.05, settle_s=0.0)
    sent = fired(watcher, [lambda: write_bytes(f"{place}/a.csv", b"1"), lambda: write_bytes(f"{place}/a.csv", b"2")])
    assert [one["first"] for one in sent] == ["a.csv", "a.csv"]
    hundreds()
    assert fired(watcher, [lambda: None])[0]["files"] == 301


def test_trigger_on_deleted_fires_for_an_object_that_is_gone(any_store: Store) -> None:
    place = f"{any_store.uri}/weather"
    watcher = LandingTrigger(
        root=any_store.uri, folder="weather", patterns=["*.csv"], poll_s=0.05, settle_s=0.0, on="deleted"
    )
    for name in "ab":
        write_bytes(f"{place}/{name}.csv", b"x")

    async def gone() -> dict[str, Any]:
        async def remove_later() -> None:
            await asyncio.sleep(1)
            await asyncio.to_thread(remove, f"{place}/a.csv")

        later = asyncio.create_task(remove_later())
        async for event in watcher.run():
            await later
            return event.payload
        raise AssertionError("the stream ended")

    assert asyncio.run(asyncio.wait_for(gone(), 60)) == {"folder": "weather", "files": 1, "first": "a.csv"}


def test_trigger_store_that_is_away_for_a_while_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import almanac_airflow.triggers.landing as room

    listings: list[Any] = [TransientError("the store is away"), {"weather": {"a.csv": [1, 1000.0, ""]}}]

    def listing(root: str) -> Any:
        now = listings.pop(0) if len(listings) > 1 else listings[0]
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(room, "list_landing", listing)

    async def first() -> dict[str, Any]:
        async for event in trigger().run():
            return event.payload
        raise AssertionError("the stream ended")

    assert asyncio.run(asyncio.wait_for(first(), 10))["files"] == 1


def test_trigger_one_impossible_name_silences_its_folder_alone(s3_store: Store, s3_server: S3Server) -> None:
    bucket, _, root = s3_store.uri.removeprefix("s3://").partition("/")
    for name in ("tides//bad.csv", "tides/a.csv", "weather/b.csv"):
        s3_server.client().put_object(Bucket=bucket, Key=f"{root}/{name}", Body=b"x")
    watcher = LandingTrigger(root=s3_store.uri, folder="weather", patterns=["*.csv"], poll_s=0.05, settle_s=0.0)
    assert fired(watcher, [lambda: None]) == [{"folder": "weather", "files": 1, "first": "b.csv"}]


def test_trigger_on_deleted_file_that_moved_after_its_ingest_is_not_deleted(tmp_path: Path) -> None:
    moved = tmp_path / ".done" / "weather" / "a.csv"
    moved.parent.mkdir(parents=True)
    moved.touch()
    watcher = trigger(root=str(tmp_path))
    watcher.on = "deleted"
    there = {"weather": {"a.csv": [10, 1000.0], "b.csv": [10, 1000.0]}}
    a_is_gone, both_are_gone = {"weather": {"b.csv": [10, 1000.0]}}, {"weather": {}}
    assert events(watcher, there, there, a_is_gone, a_is_gone, both_are_gone) == [
        {"folder": "weather", "files": 1, "first": "b.csv"}
    ]


def test_trigger_in_an_object_store_does_not_list_what_was_ingested(
    s3_store: Store, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    from almanac_airflow.triggers.landing import list_landing

    bucket, _, root = s3_store.uri.removeprefix("s3://").partition("/")
    for name in (".done/weather/a.csv", ".done/weather/b.csv", "weather/c.csv"):
        s3_server.client().put_object(Bucket=bucket, Key=f"{root}/{name}", Body=b"x")
    listed: list[str] = []
    real = obstore.list

    def counted(*args: Any, **more: Any) -> Any:
        pages = [list(page) for page in real(*args, **more)]
        listed.extend(str(each["path"]).removeprefix(f"{root}/") for page in pages for each in page)
        return pages

    monkeypatch.setattr(obstore, "list", counted)
    assert {folder: sorted(files) for folder, files in list_landing(s3_store.uri).items()} == {"weather": ["c.csv"]}
    assert listed == ["weather/c.csv"]
