"""Disks that are full, locked or away: nothing is published half, the message helps, and repair alone is enough."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.data.ingest.ingest import IngestSummary, InterruptedIngestError
from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from tests.data.installation import Site, tiny_csv, tiny_dataset
from tests.faults.disks import small_disk

_NOBODY = 65534
_LATE = datetime(2060, 1, 1, tzinfo=UTC)  # so many hours fit before it
_PLACES = ("datasets/weather", "quarantine", "reports", "scratch")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Its journal is in a folder of its own, so that this can be a disk of its own too."""
    site = _site(tmp_path)
    site.journal = Journal(f"sqlite:///{tmp_path}/journal/journal.db")
    return site


def _site(root: Path) -> Site:
    return Site(root, find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()}))


def _file(first: int, good: int = 4) -> str:
    bad = [(first + good, 99, "a"), (first + good + 1, "x", "b")]
    return tiny_csv([*((first + hour, hour % 97 / 10, "a") for hour in range(good)), *bad])


def _ingest(site: Site) -> IngestSummary:
    return site.ingest(now=_LATE)


def _check(site: Site, files: int, good: int = 4) -> None:
    """All files are published, once, with their bad rows in quarantine."""
    rows = site.dataset.read(columns=["Time", "_batch", "_row"])
    assert rows.height == rows["Time"].n_unique() == files * good
    assert rows["_batch"].n_unique() == files
    bad = site.quarantined()
    assert bad.height == bad.select("batch", "row").n_unique() == files * 2
    states = [batch.state for batch in site.journal.batches("weather")]
    assert states == [BatchState.PUBLISHED] * files
    assert list(site.home.scratch.glob("tmp*")) == []


def _orphans(site: Site) -> set[str]:
    """Files of the dataset that no commit names."""
    root = Path(site.dataset.uri)
    files = {str(path.relative_to(root)) for path in root.rglob("*.parquet")}
    table = site.dataset.snapshot().table
    return files - set(table.get_add_actions(flatten=True).column("path").to_pylist() if table else [])


@pytest.mark.parametrize("place", _PLACES)
def test_disk_full_publishes_nothing_says_where_and_needs_only_space(site: Site, place: str) -> None:
    with small_disk(site.home.home / place) as disk:
        site.land("0.csv", _file(0))
        _ingest(site)
        disk.fill()
        site.land("1.csv", _file(10))
        for _ in range(3):
            with pytest.raises(
                InterruptedIngestError, match=rf"(?s){place}.*No space left on device.*[Cc]heck"
            ) as caught:
                _ingest(site)
            assert caught.value.summary.published_batches == 0
            assert site.dataset.count() == 4
            assert _orphans(site) == set()
        disk.empty()
        assert _ingest(site).published_batches == 1
        _check(site, 2)


@pytest.mark.parametrize("place", _PLACES)
def test_disk_read_only_publishes_nothing_says_where_and_needs_only_rights(site: Site, place: str) -> None:
    with small_disk(site.home.home / place) as disk:
        site.land("0.csv", _file(0))
        _ingest(site)
        disk.protect()
        site.land("1.csv", _file(10))
        with pytest.raises(InterruptedIngestError, match=rf"(?s){place}.*Read-only file system.*[Cc]heck"):
            _ingest(site)
        assert site.dataset.count() == 4
        disk.release()
        assert _ingest(site).published_batches == 1
        _check(site, 2)


@pytest.mark.parametrize(("place", "size_mb"), [("datasets/weather", 1), ("scratch", 4)])
def test_disk_filled_by_the_batch_itself_leaves_nothing_behind(site: Site, place: str, size_mb: int) -> None:
    """A hundred thousand hours are a file for each of 137 months: some fit, then the next does not."""
    with small_disk(site.home.home / place, size_mb) as disk:
        site.land("0.csv", _file(0, 100_000))
        for _ in range(2):
            with pytest.raises(InterruptedIngestError, match=rf"(?s){place}.*No space left on device"):
                _ingest(site)
            assert not site.dataset.exists()
            assert _orphans(site) == set()
            assert [path for path in disk.place.rglob("*") if path.is_file()] == []
        disk.grow(64)
        assert _ingest(site).published_batches == 1
        _check(site, 1, 100_000)


def test_disk_of_the_journal_full_is_reported_and_made_good_by_the_next_run(site: Site) -> None:
    with small_disk(site.home.home / "journal") as disk:
        site.land("0.csv", _file(0))
        _ingest(site)
        disk.fill()
        site.land("1.csv", _file(10))
        with pytest.raises(InterruptedIngestError, match=r"journal sqlite:.*full; check that the database is up"):
            _ingest(site)
        disk.empty()
        assert _ingest(site).published_batches == 1  # it was committed: now it is told as well
        _check(site, 2)
        site.journal = Journal("sqlite://")  # lets go of the disk


def test_journal_whose_folder_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransientError, match=r"its folder cannot be made.*Not a directory.*check the rights"):
        Journal(f"sqlite:///{tmp_path}/file/below/journal.db").alerts()


@pytest.mark.parametrize("place", ["datasets", "quarantine"])
def test_disk_not_mounted_is_not_taken_for_an_empty_store(site: Site, place: str) -> None:
    """What is written below a mount point while its disk is away is out of sight when it is back."""
    folder = site.home.home / place
    site.land("0.csv", _file(0))
    _ingest(site)
    away = folder.rename(site.home.home / "away")
    folder.mkdir()
    site.land("1.csv", _file(10))
    with pytest.raises(InterruptedIngestError, match=rf"{place}/weather.*got no table.*Is the disk mounted"):
        _ingest(site)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    shutil.rmtree(folder)
    away.rename(folder)
    assert _ingest(site).published_batches == 1
    _check(site, 2)


@pytest.fixture
def nobody() -> Iterator[Site]:
    """An installation that belongs to an ordinary user, whom rights bind, with one file ingested."""
    root = Path(tempfile.mkdtemp(prefix="almanac-rights-"))
    site = _site(root)
    site.land("0.csv", _file(0))
    _ingest(site)
    is_root = os.geteuid() == 0
    if is_root:
        for path in [root, *root.rglob("*")]:
            os.chown(path, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    yield site
    if is_root:
        os.seteuid(0)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o700)
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "place", ["datasets/weather/_month=2021-01", "datasets/weather/_delta_log", "quarantine/weather/rows", "scratch"]
)
def test_permission_denied_publishes_nothing_says_where_and_needs_only_rights(nobody: Site, place: str) -> None:
    folder = nobody.home.home / place
    before = stat.S_IMODE(folder.stat().st_mode)
    nobody.land("1.csv", _file(10))
    folder.chmod(0o500)
    with pytest.raises(InterruptedIngestError, match=rf"(?s){place.split('/')[0]}.*[Pp]ermission denied.*[Cc]heck"):
        _ingest(nobody)
    folder.chmod(before)
    assert nobody.dataset.count() == 4
    assert _orphans(nobody) == set()
    assert _ingest(nobody).published_batches == 1
    _check(nobody, 2)


def test_permission_denied_for_one_landed_file_does_not_stop_the_others(nobody: Site) -> None:
    nobody.land("1.csv", _file(10)).chmod(0)
    nobody.land("2.csv", _file(20))
    with pytest.raises(InterruptedIngestError, match=r"1\.csv: could not be read: PermissionError.*grants access"):
        _ingest(nobody)
    assert nobody.dataset.count() == 8
    (nobody.landing / "1.csv").chmod(0o600)
    assert _ingest(nobody).published_batches == 1
    _check(nobody, 3)
