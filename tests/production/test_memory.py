"""A worker that may use 2 GiB takes a file of 20 million rows."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from almanac.config.files.loader import find_model
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from bench.ingest import make_file
from demo.native.debian import missing
from demo.native.stack import DATA_STORES, NativeStack
from tests.production import small_weather
from tests.production.small_weather import MODEL
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROWS, BAD_EVERY = 20_000_000, 1000
LIMIT = 2 << 30
_CGROUPS = Path("/sys/fs/cgroup/memory")  # of version 1; of version 2 the folder above it
_LIMIT_FILE = "memory.limit_in_bytes" if _CGROUPS.is_dir() else "memory.max"
_PEAK_FILE = "memory.max_usage_in_bytes" if _CGROUPS.is_dir() else "memory.peak"


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of processes that together may use 2 GiB of memory; the kernel kills what wants more."""
    folder = (_CGROUPS if _CGROUPS.is_dir() else _CGROUPS.parent) / f"almanac-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / _LIMIT_FILE).write_text(str(LIMIT), "ascii")
    except OSError as error:
        pytest.skip(f"no groups with a limit of memory may be made here: {error}")
    yield folder
    wait(lambda: not (folder / "cgroup.procs").read_text("ascii"), "the worker to end", 60)
    folder.rmdir()


@pytest.fixture
def stack(group: Path, tmp_path: Path) -> Iterator[NativeStack]:
    """The stack; its one worker, and all that it starts, are in the group."""
    if packages := missing(DATA_STORES):
        pytest.skip(f"apt-get install {' '.join(packages)}")
    asleep = {kind: {"enabled": False} for kind in ("train", "score")}
    small_weather.declare(tmp_path / "models", pipelines=asleep, source={"max_size_mb": 16_384})
    with NativeStack(
        tmp_path / "stack", workers=1, extra={}, models=tmp_path / "models", report=print
    ).running() as running:
        (worker,) = (psutil.Process(pid) for pid in running.pids("worker"))
        for process in (worker, *worker.children(recursive=True)):
            (group / "cgroup.procs").write_text(str(process.pid), "ascii")
        yield running


def test_worker_of_2_gib_publishes_20_million_rows(stack: NativeStack, group: Path) -> None:
    landing = Path(stack.home.landing_of(MODEL))
    landing.mkdir(parents=True, exist_ok=True)
    made = landing.parent / "made.csv"
    make_file(made, ROWS, BAD_EVERY)
    journal = Journal(stack.home.journal_url)
    with stack.airflow() as airflow:
        wait(lambda: f"ingest_{MODEL}" in airflow.dag_ids(), "the DAG")
        made.rename(landing / made.name)
        (batch,) = wait(lambda: journal.batches(MODEL), "the rows", 900)
    peak = int((group / _PEAK_FILE).read_text("ascii"))
    assert LIMIT / 2 < peak <= LIMIT, "it was not the group that worked"  # the file itself, in the cache, counts
    assert batch.state is BatchState.PUBLISHED
    assert batch.run.try_number == 1, "a task was killed"
    bad = ROWS // BAD_EVERY
    assert (batch.rows_published, batch.rows_quarantined) == (ROWS - bad, bad)
    assert DatasetTable.of(stack.home, find_model(stack.home.models, MODEL)).count() == ROWS - bad
