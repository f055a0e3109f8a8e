"""A file every second, for an hour: what is kept, what a file costs and what the process holds do not grow with time.

`ALMANAC_SOAK_FILES` says how many files (3600: an hour of one a second; they are taken one after the other, without
waiting). A day of the installation's clock passes at every sixtieth file: then outputs and the journal are cleaned, and
the dataset is maintained. Nothing is said in seconds: a machine that is busy may take as long as it likes.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from almanac.cleanup.expire import Expiry
from almanac.cleanup.journal_rows import JournalRows
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.sections.retention.expiry import Expire
from almanac.data.ingest.arrivals import find_batches
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.log_checkpoints import SPACING
from almanac.data.table.maintenance import compact, vacuum
from almanac.journal.records import BatchState, RunRef
from almanac.registry.records import ModelVersion
from tests.backup.repositories import repository_at
from tests.data.installation import NOW, Site, tiny_csv, tiny_dataset

FILES = int(os.environ.get("ALMANAC_SOAK_FILES", "3600"))
PER_DAY = 60
DAY = timedelta(days=1)
TICK = DAY / PER_DAY
COMMITS_READ = (
    120  # delta-rs reads the commits since the last checkpoint at once, each in a thread that waits 10 s more
)
AGES = dict.fromkeys(("landing", "quarantine_files", "quarantine_rows", "reports"), DAY)


class NoVersions:
    """Nothing was trained, so no version of the dataset but the newest is needed."""

    def versions(self, model: str) -> list[ModelVersion]:
        return []

    def versions_joining(self, model: str) -> list[ModelVersion]:
        return []


@dataclass(frozen=True)
class Sample:
    """What stands at one moment; `cpu_s` is what each file has cost since the sample before."""

    files: int
    cpu_s: float
    memory_mb: float
    descriptors: int
    threads: int
    landed: int
    reports: int
    kept: int
    data_files: int
    data_mb: float
    commits: int
    checkpoints: int
    log_mb: float
    arrivals: int
    batches: int


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    expire = Expire.model_validate({**AGES, "unless_backed_up": False, "max_deleted_share": 1.0})
    declared = find_model(MODELS_FOLDER, "weather")
    return Site(tmp_path / "home", declared.model_copy(update={"dataset": tiny_dataset(), "expire": expire}))


def content(number: int) -> tuple[str, int]:
    """A file as a source of years delivers them, and how many rows of it are new."""
    hour = number * 2
    if number % 97 == 96:
        return f"no,such,columns\n{number},2,3\n", 0
    if number % 5 == 4:  # the rows of the file before, as another program has written them
        rows = [(hour - 2, 1, "a"), (hour - 1, 2, "b")]
        before = 0 if number < 1 else content(number - 1)[1]  # a row that was bad, or in a rejected file, is new here
        return tiny_csv(reversed(rows)), 2 - before
    if number % 31 == 30:
        return tiny_csv([(hour, 1, "a"), (hour + 1, 99, "b")]), 1
    return tiny_csv([(hour, 1, "a"), (hour + 1, 2, "b")]), 2


def soak(site: Site, files: int, place: Path) -> Iterator[tuple[Sample, int]]:
    """Take the files, keep house every day, and give a sample after each tenth, with the rows that must be there."""
    process, rows, started, counted = psutil.Process(), 0, time.process_time(), 0
    for number in range(files):
        now = NOW + number * TICK
        text, new = content(number)
        path = site.land(f"{number:06}.csv", text)
        os.utime(path, ((now - TICK).timestamp(),) * 2)
        found = find_batches(site.model, site.home, site.journal, now=now, wait=lambda _: None)
        run = RunRef("ingest_weather", str(number))
        ingest_batches(site.model, site.home, site.journal, found.files, run, now=now, clock=lambda at=now: at)
        rows += new
        if number % PER_DAY == PER_DAY - 1:
            keep_house(site, place, now)
        if (number + 1) % max(files // 10, 1) == 0:
            cost = (time.process_time() - started) / (number + 1 - counted)
            yield sample(site, process, number + 1, cost), rows
            started, counted = time.process_time(), number + 1


def keep_house(site: Site, place: Path, now: datetime) -> None:
    """What the DAGs do: expire outputs, clean the journal, maintain the dataset."""
    Expiry(site.model, site.home, site.journal, repository_at(place), now=now).execute(run=RunRef("expire", "soak"))
    compact(site.model, site.home)
    vacuum(site.model, site.home, NoVersions(), keep_for=timedelta())
    journal = JournalRows(site.home, [site.model], site.journal, DAY, now)
    journal.delete(journal.plan())


def sample(site: Site, process: psutil.Process, files: int, cost: float) -> Sample:
    gc.collect()
    data, log = Path(site.dataset.uri), Path(site.dataset.uri, "_delta_log")
    parts = list(data.glob("_month=*/*.parquet"))
    checkpoints = list(log.glob("*.checkpoint.parquet"))
    return Sample(
        files,
        round(cost, 3),
        round(process.memory_info().rss / 2**20, 1),
        process.num_fds(),
        process.num_threads(),
        len(list(site.landing.iterdir())),
        len(list(Path(site.home.reports_of("weather")).glob("*"))),
        len(Quarantine(site.home, site.model).kept_files()),
        len(parts),
        megabytes(parts),
        len(list(log.glob("*.json"))),
        len(checkpoints),
        megabytes(list(log.iterdir())),
        len(site.journal.arrivals("weather")),
        len(site.journal.batches("weather", 10**6)),
    )


def megabytes(paths: list[Path]) -> float:
    return round(sum(path.stat().st_size for path in paths) / 2**20, 3)


@pytest.mark.slow
def test_soak_nothing_grows_but_what_must(site: Site, tmp_path: Path) -> None:
    samples: list[Sample] = []
    rows = 0
    for one, there in soak(site, FILES, tmp_path / "backups"):
        samples.append(one)
        rows = there
        sys.stdout.write(f"{json.dumps(asdict(one))}\n")
    middle, end = samples[len(samples) // 2 - 1], samples[-1]
    assert site.dataset.count() == rows
    # the process: the first half warms it up
    assert end.memory_mb < 1.25 * middle.memory_mb
    assert end.descriptors <= middle.descriptors + 3
    assert end.threads <= max(middle.threads, samples[0].threads + COMMITS_READ)
    assert sum(one.cpu_s for one in samples[-2:]) < 2.5 * sum(one.cpu_s for one in samples[1:3])
    # the disk: two days of what expires, a day of small files, a checkpoint in so many versions
    assert end.landed <= 2 * PER_DAY
    assert end.arrivals <= 3 * PER_DAY
    assert end.reports <= 4 * PER_DAY
    assert end.kept <= 2 * PER_DAY // 97 + 2
    assert end.data_files <= PER_DAY + FILES * 2 // (24 * 28) + 2
    assert end.checkpoints <= end.commits // SPACING + 3
    # a batch that brings nothing makes no commit, and its row goes when the log knows it
    records = site.journal.batches("weather", 10**6)
    published = sum(one.state is BatchState.PUBLISHED for one in records)
    days = FILES // PER_DAY
    assert end.commits <= published + 4 * days  # names unchanged batches, joins files; a vacuum makes two
    assert sum(one.state is BatchState.UNCHANGED for one in records) <= 3 * PER_DAY // 5 + 1
    if FILES >= 1000:
        assert end.log_mb / end.commits < 1.5 * middle.log_mb / middle.commits
