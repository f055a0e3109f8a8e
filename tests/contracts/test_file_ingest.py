"""Tables in object stores: what is published there is published once, whole, and by all who publish at once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.backup.snapshot.sources import below
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.data.ingest.arrivals import find_batches
from almanac.data.ingest.ingest import InterruptedIngestError
from almanac.data.quarantine.readmit_file import readmit_file
from almanac.data.table.delta_table import ConcurrentCommitError, open_table
from almanac.data.table.maintenance import compact, vacuum
from almanac.errors import DataLossError, TransientError
from almanac.journal.records import BatchState
from almanac.scoring.predictions import PredictionTable, with_windows
from almanac.storage.files import read_bytes, remove, write_bytes
from almanac.storage.listing import list_files
from tests.data.installation import NOW, RUN, START, KilledError, Site, tiny_csv, tiny_dataset
from tests.servers.cut import CuttingProxy, cutting_proxy
from tests.servers.stores import WRONG_SECRET, Store

GOOD_AND_BAD = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "x", "b")]
STEPS = ("claimed", "validated", "quarantined", "committed", "journaled")


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()})


@pytest.fixture
def site(any_store: Store, model: Model, tmp_path: Path) -> Site:
    return Site(tmp_path, model, any_store.uri)


def land(site: Site, name: str, content: str) -> None:
    write_bytes(f"{site.home.landing_of(site.model.name)}/{name}", content.encode())


def beside(site: Site, root: Path) -> Site:
    """Another process on the same data, with a journal and a scratch folder of its own."""
    other = Site(root, site.model)
    other.home = site.home.model_copy(update={"home": root})
    other.dataset = site.dataset
    return other


def hours(site: Site) -> Counter[int]:
    """How often each hour since START is published."""
    if not site.dataset.exists():
        return Counter()
    return Counter(int((time - START).total_seconds() // 3600) for time in site.dataset.read()["Time"])


def data_files(site: Site) -> int:
    return sum(file.path.endswith(".parquet") for file in below(site.dataset.uri))


def test_ingest_publishes_quarantines_rejects_and_reports(site: Site) -> None:
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    land(site, "empty.csv", "")
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows, len(summary.rejected)) == (6, 2, 1)
    assert hours(site) == Counter(range(6))
    assert site.quarantined()["row"].to_list() == [7, 8]
    assert [name.partition("_")[2] for name in site.rejected_files()] == ["empty.csv"]
    assert [file.name for file in list_files(site.home.landing_of("weather"), ["*"])] == ["a.csv"]
    for batch in site.journal.batches("weather"):
        assert b"<html" in read_bytes(batch.report_uri)
    assert site.ingest().published_rows == 0


def test_dataset_every_version_stays_readable_and_a_correction_replaces(site: Site) -> None:
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(corrections="replace")})
    land(site, "a.csv", tiny_csv([(hour, 1, "a") for hour in range(4)]))
    site.ingest()
    land(site, "b.csv", tiny_csv([(3, 2, "b"), (4, 2, "b")]))
    site.ingest()
    assert [site.dataset.count(version) for version in (0, 1)] == [4, 5]
    assert [site.dataset.read(version=version)["x"].sum() for version in (0, 1)] == [4, 7]
    assert site.dataset.read(since=START + timedelta(hours=3)).height == 2


@pytest.mark.parametrize("step", STEPS)
def test_ingest_killed_after_any_step_comes_to_the_same_end(site: Site, step: str) -> None:
    def kill(reached: str, batch_id: str) -> None:
        if reached == step:
            raise KilledError(step)

    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    with pytest.raises(KilledError):
        site.ingest(on_step=kill)
    site.ingest()
    assert hours(site) == Counter(range(6))
    assert site.quarantined()["row"].to_list() == [7, 8]
    (batch,) = site.journal.batches("weather")
    assert (batch.state, batch.rows_published, batch.rows_quarantined) == (BatchState.PUBLISHED, 6, 2)


@pytest.mark.parametrize("already", [0, 1])
def test_ingest_killed_between_files_and_commit_shows_nothing_of_the_batch(
    site: Site, already: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake
    import deltalake.transaction

    def die(*_: object, **__: object) -> None:
        raise KilledError

    for number in range(already):
        land(site, f"{number}.csv", tiny_csv([(100, 1, "a")]))
        site.ingest()
    before = hours(site)
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    with monkeypatch.context() as dying:
        dying.setattr(deltalake.transaction, "create_table_with_add_actions", die)
        dying.setattr(deltalake.DeltaTable, "create_write_transaction", die)
        with pytest.raises(KilledError):
            site.ingest()
    assert data_files(site) == already + 1  # laid down, and named by nothing
    assert hours(site) == before
    site.ingest()
    assert hours(site) == before + Counter(range(6))


def test_publishers_at_once_all_survive(site: Site, tmp_path: Path) -> None:
    """Four at once, three batches each, of rows that do not meet."""

    def publish(number: int) -> None:
        own = beside(site, tmp_path / str(number))
        for batch in range(3):
            first = 100 * number + 10 * batch
            land(own, f"{number}_{batch}.csv", tiny_csv([(first + hour, 1, "a") for hour in range(3)]))
        together.wait(60)
        files = list_files(own.home.landing_of("weather"), [f"{number}_*.csv"])
        done = own.ingest(files=files)
        assert done.published_batches == 3

    together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        for finished in [pool.submit(publish, number) for number in range(4)]:
            finished.result(120)
    expected = [100 * number + 10 * batch + hour for number in range(4) for batch in range(3) for hour in range(3)]
    assert hours(site) == Counter(expected)
    assert site.dataset.version() == 11


def test_same_batch_published_twice_at_once_is_there_once(site: Site, tmp_path: Path) -> None:
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    together = threading.Barrier(2)

    def meet(step: str, batch_id: str) -> None:
        if step == "quarantined":
            together.wait(60)

    with ThreadPoolExecutor(2) as pool:
        racers = [beside(site, tmp_path / name) for name in ("one", "two")]
        for racing in [pool.submit(racer.ingest, meet) for racer in racers]:
            assert racing.result(120).dataset_rows == 6
    assert hours(site) == Counter(range(6))
    assert site.quarantined()["row"].to_list() == [7, 8]
    assert data_files(site) == 1  # the loser took its files away


Proxied = AbstractContextManager[CuttingProxy]


@pytest.fixture
def lossy(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Proxied]:
    """Puts a proxy before the store that loses the answer to the dataset's next commit."""
    name = "AWS_ENDPOINT_URL" if any_store.uri.startswith("s3:") else "AZURE_STORAGE_ENDPOINT"

    @contextmanager
    def put() -> Iterator[CuttingProxy]:
        with (
            cutting_proxy(any_store.environment[name], "PUT", "/datasets/weather/_delta_log/") as proxy,
            monkeypatch.context() as meanwhile,
        ):
            meanwhile.setenv(name, proxy.url)
            yield proxy

    return put


@pytest.mark.parametrize("already", [0, 1])
def test_commit_whose_answer_is_lost_is_found_and_counts_once(
    site: Site, already: int, lossy: Callable[[], Proxied]
) -> None:
    """The store made the commit; its client tried again and was told that there is one already."""
    for number in range(already):
        land(site, f"{number}.csv", tiny_csv([(100, 1, "a")]))
        site.ingest()
    before = hours(site)
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    with lossy() as proxy:
        summary = site.ingest()
    assert proxy.lost
    assert (summary.published_rows, summary.dataset_version) == (6, already)
    assert hours(site) == before + Counter(range(6))
    assert site.ingest().published_rows == 0


def test_store_that_goes_away_while_it_commits_loses_nothing(
    site: Site, lossy: Callable[[], Proxied], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say whether the commit was made: its files stay, and the next try finds out."""
    import almanac.data.table.delta_table as room

    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))

    def away(uri: str, version: int | None = None) -> None:
        raise TransientError(f"{uri}: cannot be opened")

    with lossy() as proxy, monkeypatch.context() as later:
        later.setattr(room, "open_table", away)
        with pytest.raises(InterruptedIngestError, match="cannot be opened"):
            site.ingest()
    assert proxy.lost
    assert site.ingest().published_rows == 6
    assert hours(site) == Counter(range(6))


def test_two_contents_of_one_name_and_size_in_one_second_are_both_taken(site: Site) -> None:
    """An object store tells times in whole seconds; only the e-tag differs."""
    eager = site.model.source.model_copy(update={"settle": timedelta()})
    site.model = site.model.model_copy(update={"source": eager})
    for hour in range(4):
        land(site, "a.csv", tiny_csv([(hour, 1.5, "a")]))
        found = find_batches(site.model, site.home, site.journal, now=datetime.now(UTC), wait=lambda seconds: None)
        assert site.ingest(files=found.files).published_rows == 1
    assert hours(site) == Counter(range(4))
    known = site.journal.arrivals("weather").values()
    assert [arrival.etag != "" for arrival in known] == [True]


def test_rejected_file_is_readmitted_from_the_store(site: Site) -> None:
    land(site, "a.csv", tiny_csv([(0, 1, "a"), (1, 99, "a"), (2, 99, "a")]))
    (rejected,) = site.ingest().rejected
    (kept,) = site.rejected_files()
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(max_bad_share=1.0)})
    done = readmit_file(
        site.model, site.home, site.journal, kept[:12], run=RUN, reason="the sensor was being tested", clock=lambda: NOW
    )
    assert done.accepted, (done, rejected)
    assert hours(site) == Counter([0])
    assert site.quarantined()["row"].to_list() == [2, 3]
    assert site.rejected_files() == []


class NoModels:
    def versions(self, model: str) -> list[object]:
        return []

    def versions_joining(self, model: str) -> list[object]:
        return []


def test_maintenance_joins_files_and_removes_what_nobody_needs(site: Site) -> None:
    for hour in range(4):
        land(site, f"{hour}.csv", tiny_csv([(hour, 1.5, "a")]))
    site.ingest()
    before = hours(site)
    assert compact(site.model, site.home) == 3
    assert data_files(site) == 5
    plan = vacuum(site.model, site.home, NoModels(), keep_for=timedelta())  # type: ignore[arg-type]
    assert len(plan.removable) == 4
    assert data_files(site) == 1
    assert hours(site) == before


DAY = timedelta(days=1)


def _predictions(version: str) -> pl.DataFrame:
    times = [START + timedelta(hours=hour) for hour in range(3)]
    rows = pl.DataFrame({"time": times, "probability": [0.1, 0.2, 0.3]}).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")), model_version=pl.lit(version)
    )
    return with_windows(rows, DAY, {START: "made of this"})


def test_predictions_of_a_window_are_replaced(any_store: Store) -> None:
    table = PredictionTable(f"{any_store.uri}/predictions/weather")
    for _ in range(2):
        table.replace(_predictions("1"), "1", START, START + DAY, metadata={})
    assert table.version() == 1
    assert [table.read("1", since=START, until=START + timedelta(hours=hours)).height for hours in (2, 24)] == [2, 3]


def test_predictions_of_two_writers_at_once_are_whole(any_store: Store) -> None:
    table = PredictionTable(f"{any_store.uri}/predictions/weather")
    together = threading.Barrier(2)

    def write(version: str) -> int:
        together.wait(60)
        try:
            table.replace(_predictions(version), version, START, START + DAY, metadata={})
        except ConcurrentCommitError:
            return 0
        return 3

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(write, "12"))
    assert [table.read(version, since=START, until=START + DAY).height for version in "12"] == written
    assert 3 in written


def test_table_with_a_wrong_secret_is_transient_and_keeps_it(
    site: Site, any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    site.ingest()
    monkeypatch.setenv(any_store.secret_name, WRONG_SECRET)
    for ask in (lambda: open_table(site.dataset.uri), site.dataset.count, site.quarantined):
        with pytest.raises(TransientError, match=r"cannot be opened: .*403") as caught:
            ask()
        assert WRONG_SECRET not in str(caught.value)


def test_table_whose_file_is_gone_says_which_table(site: Site) -> None:
    land(site, "a.csv", tiny_csv(GOOD_AND_BAD))
    site.ingest()
    snapshot = site.dataset.snapshot()
    (place,) = snapshot.table.file_uris()
    remove(place)
    with pytest.raises(DataLossError, match=r"datasets/weather: 1 files are damaged or missing: .* is missing"):
        snapshot.newest()
