"""Arrivals: a file is taken when it is new and has settled."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.data.ingest.arrivals import FoundBatches, find_batches
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Landing:
    """A landing area with a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.home = Home(home=root)
        self.journal = Journal(self.home.journal_url)
        self.model: Model = find_model(MODELS_FOLDER, "weather")
        self.folder = root / "landing" / "weather"
        self.folder.mkdir(parents=True)
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def put(self, name: str, *, age_s: float, content: bytes = b"x") -> None:
        path = self.folder / name
        path.write_bytes(content)
        time = (NOW + timedelta(seconds=sum(self.waits) - age_s)).timestamp()
        os.utime(path, (time, time))

    def find(self) -> FoundBatches:
        def wait(seconds: float) -> None:
            self.waits.append(seconds)
            self.meanwhile()

        return find_batches(self.model, self.home, self.journal, now=NOW, wait=wait)

    def names(self) -> list[str]:
        return [file.name for file in self.find().files]


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def test_find_batches_nothing_there_does_not_wait(landing: Landing) -> None:
    assert landing.find() == FoundBatches((), 0)
    assert landing.waits == []


def test_find_batches_old_file_is_taken_after_a_second_look(landing: Landing) -> None:
    landing.put("b.csv", age_s=60)
    landing.put("a.csv", age_s=50)
    assert landing.names() == ["a.csv", "b.csv"]
    assert landing.waits == [0.5]


def test_find_batches_fresh_file_is_waited_for(landing: Landing) -> None:
    landing.put("a.csv", age_s=1)
    assert landing.names() == ["a.csv"]
    assert landing.waits == [4.0]


def test_find_batches_growing_file_is_not_taken(landing: Landing) -> None:
    landing.put("done.csv", age_s=60)
    landing.put("grows.csv", age_s=0)
    landing.meanwhile = lambda: landing.put("grows.csv", age_s=0, content=b"x" * len(landing.waits))
    found = landing.find()
    assert [file.name for file in found.files] == ["done.csv"]
    assert found.unsettled == 1
    assert sum(landing.waits) <= 10.5


def test_find_batches_old_time_but_growing_is_not_taken(landing: Landing) -> None:
    landing.put("a.csv", age_s=60)
    landing.meanwhile = lambda: landing.put("a.csv", age_s=60, content=b"x" * (1 + len(landing.waits)))
    assert landing.names() == []


def test_find_batches_time_in_the_future_settles_by_watching(landing: Landing) -> None:
    landing.put("a.csv", age_s=-1e6)
    assert landing.names() == ["a.csv"]
    assert landing.waits == [5.0]


def test_find_batches_without_settle_still_looks_twice(landing: Landing) -> None:
    source = landing.model.source.model_copy(update={"settle": timedelta()})
    landing.model = landing.model.model_copy(update={"source": source})
    landing.put("a.csv", age_s=0)
    assert landing.names() == ["a.csv"]
    assert landing.waits == [0.0]


def test_find_batches_file_that_goes_missing_is_forgotten(landing: Landing) -> None:
    landing.put("a.csv", age_s=60)
    landing.meanwhile = lambda: (landing.folder / "a.csv").unlink()
    assert landing.find() == FoundBatches((), 0)


def test_find_batches_leaves_what_was_dealt_with_until_it_changes(landing: Landing) -> None:
    landing.put("a.csv", age_s=60)
    (found,) = landing.find().files
    landing.journal.record_arrival(Arrival("weather", found.uri, found.size_bytes, found.modified_at))
    assert landing.names() == []
    landing.put("a.csv", age_s=60, content=b"longer")
    assert landing.names() == ["a.csv"]
