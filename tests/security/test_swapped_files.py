"""Anyone who may write into a landing area puts something else in a file's place once it was listed."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from almanac.backup.snapshot.sources import below
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.quarantine import readmit_file as readmit_module
from almanac.data.quarantine.readmit_file import readmit_file
from almanac.errors import DataError
from almanac.journal.records import RunRef
from almanac.storage.files import exists, hash_file, read_blocks, read_bytes, remove, write_bytes
from almanac.storage.listing import StoredFile, list_files, read_listed, remove_unchanged
from almanac.storage.local_files import OtherFileError, open_regular
from tests.data.installation import NOW, Site, tiny_csv, tiny_dataset

SECRET = "the-secret-of-somebody-else"
RUN = RunRef("ingest_weather", "run-1")
Swap = Callable[[Path], object]


def _link(path: Path) -> None:
    path.symlink_to(path.parents[1] / "secret")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may be no longer than a hundred characters
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


def _other(path: Path) -> None:
    path.write_text("x" * 8)
    os.utime(path, (1_600_000_000, 1_600_000_000))  # size and time as they were: only the inode tells


SWAPS: dict[str, Swap] = {
    "link": _link,
    "fifo": os.mkfifo,
    "socket": _socket,
    "folder": Path.mkdir,
    "another file": _other,
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    weather = find_model(MODELS_FOLDER, "weather")
    return Site(tmp_path / "home", weather.model_copy(update={"dataset": tiny_dataset()}))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def landed(landing: Path, name: str = "a.csv") -> StoredFile:
    path = landing / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("12345678")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    (file,) = list_files(str(landing), ["*.csv", "*/*.csv"])
    return file


def swap(path: Path, how: str) -> None:
    path.rename(path.parent / "_was_there")  # else the new file may get the inode of the old one
    SWAPS[how](path)


@pytest.mark.parametrize("how", SWAPS)
def test_read_listed_swapped_after_the_listing_is_refused_and_never_blocks(landing: Path, how: str) -> None:
    file = landed(landing)
    swap(landing / "a.csv", how)
    with pytest.raises(OtherFileError):
        list(read_listed(file, str(landing)))
    assert not remove_unchanged(file)


@pytest.mark.parametrize("how", ["link", "fifo", "socket", "folder"])
def test_read_of_any_file_opens_regular_files_only(landing: Path, how: str) -> None:
    uri = f"{landing}/a"
    SWAPS[how](landing / "a")
    for read in (read_bytes, hash_file, lambda uri: list(read_blocks(uri))):
        with pytest.raises(OtherFileError, match="expected a regular file, got"):
            read(uri)
    assert not exists(uri)


def test_read_listed_behind_a_folder_that_became_a_link_is_refused(landing: Path) -> None:
    file = landed(landing, "day/a.csv")
    outside = landing.parent / "outside"
    (landing / "day").rename(outside)  # the very same file, by another way
    (landing / "day").symlink_to(outside)
    with pytest.raises(OtherFileError):
        list(read_listed(file, str(landing)))


def test_open_regular_below_a_landing_area_that_is_a_link_itself_is_read(landing: Path) -> None:
    landed(landing)
    (landing.parent / "alias").symlink_to(landing)
    with open_regular(landing.parent / "alias" / "a.csv", below=landing.parent / "alias") as stream:
        assert stream.read() == b"12345678"


def test_read_listed_of_a_file_that_grows_stops_at_once(landing: Path) -> None:
    file = landed(landing)
    content = read_listed(file, str(landing))
    with (landing / "a.csv").open("ab") as stream:
        stream.truncate(64 << 20)
    os.utime(landing / "a.csv", (1_600_000_000, 1_600_000_000))
    with pytest.raises(OtherFileError):  # another size than the listed one
        list(content)
    (file,) = list_files(str(landing), ["*.csv"])
    content = read_listed(file, str(landing))
    next(content)
    with (landing / "a.csv").open("ab") as stream:
        stream.truncate(640 << 20)
    assert sum(len(block) for block in content) < file.size_bytes + (5 << 20)


def test_stored_file_carries_its_identity_through_xcom(landing: Path) -> None:
    file = landed(landing)
    assert StoredFile.from_json(file.to_json()).identity == file.identity != ""
    old = {name: value for name, value in file.to_json().items() if name != "identity"}
    assert StoredFile.from_json(old) == file


@pytest.mark.parametrize("how", ["link", "fifo"])
def test_ingest_of_a_swapped_file_waits_and_reports_nothing_of_the_target(site: Site, tmp_path: Path, how: str) -> None:
    good, bad = site.land("b.csv", tiny_csv([(1, 1, "a")])), site.land("a.csv", "12345678")
    (bad.parents[1] / "secret").write_text(SECRET)
    files = site.new()
    swap(bad, how)
    summary = ingest_batches(site.model, site.home, site.journal, files, RUN)
    assert (summary.published_batches, len(summary.waiting)) == (1, 1)
    assert f"{bad}" in summary.waiting[0]
    assert good.exists()
    assert summary.rejected == ()
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "secret":
            assert SECRET.encode() not in path.read_bytes(), path


def test_ingest_of_a_swapped_file_that_was_too_large_is_not_hashed(site: Site) -> None:
    bad = site.land("a.csv", "12345678")
    (bad.parents[1] / "secret").write_text(SECRET)
    source = site.model.source.model_copy(update={"max_size_mb": 0})
    site.model = site.model.model_copy(update={"source": source})
    files = site.new()
    swap(bad, "link")
    summary = ingest_batches(site.model, site.home, site.journal, files, RUN)
    assert (summary.rejected, len(summary.waiting)) == ((), 1)


def test_readmit_file_never_lands_behind_a_link(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.landing / "day").mkdir()
    source = site.model.source.model_copy(update={"patterns": ("*/*.csv",)})
    site.model = site.model.model_copy(update={"source": source})
    bad = site.land("day/a.csv", "")
    site.ingest()
    (batch,) = [name.partition("_")[0] for name in site.rejected_files()]
    outside = tmp_path / "outside"
    bad.parent.rename(outside)
    bad.parent.symlink_to(outside)
    monkeypatch.setattr(readmit_module, "write_bytes", lambda *_: pytest.fail("written behind a link"))
    with pytest.raises(DataError, match="cannot land again"):
        readmit_file(site.model, site.home, site.journal, batch, run=RUN, reason="x", clock=lambda: NOW)
    assert list(outside.iterdir()) == []


def test_remove_behind_a_folder_that_became_a_link_removes_nothing(landing: Path) -> None:
    file = landed(landing, "day/a.csv")
    outside = landing.parent / "outside"
    (landing / "day").rename(outside)
    (landing / "day").symlink_to(outside)
    remove(file.uri, below=str(landing))
    remove_unchanged(file, str(landing))
    assert (outside / "a.csv").exists()
    (landing / "day").unlink()
    outside.rename(landing / "day")
    assert remove_unchanged(file, str(landing))
    assert not (landing / "day" / "a.csv").exists()


@pytest.mark.parametrize("how", ["link", "fifo", "another file"])
def test_backup_of_a_folder_never_reads_what_was_put_in_a_file_s_place(landing: Path, how: str) -> None:
    landed(landing)
    (source,) = below(str(landing))
    swap(landing / "a.csv", how)
    with pytest.raises(FileNotFoundError):
        list(source.pieces())


def test_write_bytes_never_writes_through_a_link_that_waits_for_it(landing: Path) -> None:
    target = landing.parent / "secret"
    (landing / f".a.csv.{os.getpid()}.part").symlink_to(target)  # the name that could be foreseen
    write_bytes(f"{landing}/a.csv", b"new")
    assert target.read_text() == SECRET
    assert (landing / "a.csv").read_bytes() == b"new"
