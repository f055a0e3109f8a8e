"""An S3 server that refuses for a while in the middle of an ingest: it is waited for, or the next run makes it good."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.ingest.ingest import InterruptedIngestError
from almanac.data.table.dataset import DatasetTable
from almanac.journal.records import BatchState
from tests.data.installation import Site, tiny_csv, tiny_dataset
from tests.servers.door import Door
from tests.servers.stores import Store

GOOD_AND_BAD = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "x", "b")]


@pytest.fixture
def door(s3_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with Door(s3_store.environment["AWS_ENDPOINT_URL"]) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
        yield door


@pytest.fixture
def site(tmp_path: Path, door: Door, s3_store: Store) -> Site:
    """Everything that an ingest writes, but for scratch and the journal, is on the server behind the door."""
    site = Site(tmp_path, find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()}))
    stores = {name: f"{s3_store.uri}/{name}" for name in ("datasets", "quarantine", "reports")}
    site.home = Home(home=tmp_path, **stores)
    site.dataset = DatasetTable.of(site.home, site.model)
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    return site


@contextmanager
def _shut_at(site: Site, door: Door, step: str, *, for_s: float) -> Iterator[None]:
    """Ingest while the door shuts once the step is done, and opens after a while."""
    opening = threading.Timer(for_s, door.open)

    def on_step(reached: str, batch_id: str) -> None:
        if reached == step and not opening.is_alive():
            door.shut()
            opening.start()

    try:
        started = time.monotonic()
        site.ingest(on_step=on_step)
        assert time.monotonic() - started > for_s
        yield
    finally:
        opening.join()


def _check(site: Site) -> None:
    assert site.dataset.count() == site.dataset.read()["Time"].n_unique() == 6
    assert site.quarantined()["row"].to_list() == [7, 8]
    assert [batch.state for batch in site.journal.batches("weather")] == [BatchState.PUBLISHED]


_SLOW = (pytest.param("claimed", marks=pytest.mark.slow), pytest.param("quarantined", marks=pytest.mark.slow))


@pytest.mark.parametrize("step", ["validated", *_SLOW])
def test_store_refusing_for_a_moment_is_waited_for(site: Site, door: Door, step: str) -> None:
    with _shut_at(site, door, step, for_s=0.5):  # its clients try ten times, for two seconds at least
        _check(site)
    assert site.ingest().published_batches == 0
    _check(site)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["claimed", "validated", "quarantined"])
def test_store_refusing_for_long_publishes_nothing_and_needs_only_to_come_back(
    site: Site, door: Door, step: str
) -> None:
    with pytest.raises(InterruptedIngestError, match=r"s3://.*Check (that the store|free space)"):
        site.ingest(on_step=lambda reached, _: door.shut() if reached == step else None)
    assert site.journal.batches("weather") == []
    door.open()
    assert not site.dataset.exists()
    assert site.ingest().published_batches == 1
    _check(site)
