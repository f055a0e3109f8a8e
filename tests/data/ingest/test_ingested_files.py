"""What was ingested some time ago leaves the landing area; nothing else does, and nothing is lost or doubled by it."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.cleanup.backed_up import BackedUp
from almanac.cleanup.files import landing_needs
from almanac.config.sections.sources import FileSource
from almanac.data.ingest.arrivals import FoundBatches, find_batches
from almanac.data.ingest.ingested_files import put_back
from almanac.data.table.loss import accept
from almanac.storage import listing, local_files
from almanac.storage.listing import list_files, move_unchanged
from tests.data.installation import NOW, RUN, Site, tiny_csv

WEEK = timedelta(days=7)


def land(site: Site, name: str, content: str = "", *, age: timedelta = 2 * WEEK) -> Path:
    path = site.land(name, content or tiny_csv([(1, 1, "a")]))
    os.utime(path, ((NOW - age).timestamp(),) * 2)
    return path


def find(site: Site) -> FoundBatches:
    return find_batches(site.model, site.home, site.journal, now=NOW, wait=lambda _: None)


def done(site: Site, name: str) -> Path:
    return Path(site.home.ingested_of(site.model.name)) / name


def test_find_batches_old_file_that_was_ingested_moves_and_is_not_new_again(site: Site) -> None:
    path = land(site, "a.csv")
    content = path.read_bytes()
    assert [file.name for file in find(site).files] == ["a.csv"]
    assert path.exists(), "it is not ingested yet"
    site.ingest()
    assert find(site).files == ()
    assert (path.exists(), done(site, "a.csv").read_bytes()) == (False, content)


def test_find_batches_younger_file_stays_where_its_sender_may_append_to_it(site: Site) -> None:
    path = land(site, "a.csv", age=WEEK - timedelta(minutes=1))
    site.ingest()
    find(site)
    assert path.exists()


def test_find_batches_without_done_after_moves_nothing(site: Site) -> None:
    path = land(site, "a.csv")
    site.ingest()
    source = site.model.source.model_copy(update={"done_after": None})
    site.model = site.model.model_copy(update={"source": source})
    find(site)
    assert path.exists()
    assert FileSource.model_validate({**source.model_dump(), "done_after": None}).done_after is None


def test_find_batches_rejected_file_that_waits_in_the_landing_area_stays(site: Site) -> None:
    path = land(site, "a.csv")
    source = site.model.source.model_copy(update={"max_size_mb": 0})
    site.model = site.model.model_copy(update={"source": source})
    assert len(site.ingest().rejected) == 1
    find(site)
    assert path.exists()


def test_find_batches_changed_file_is_new_and_stays(site: Site) -> None:
    land(site, "a.csv")
    site.ingest()
    path = land(site, "a.csv", tiny_csv([(1, 1, "a"), (2, 2, "b")]))
    assert [file.name for file in find(site).files] == ["a.csv"]
    assert path.exists()


def test_file_that_lands_again_after_it_moved_doubles_no_row(site: Site) -> None:
    for _ in range(2):
        land(site, "a.csv")
        site.ingest()
        find(site)
    land(site, "b.csv")
    summary = site.ingest()
    assert (summary.published_batches, summary.duplicates, site.dataset.count()) == (0, 1, 1)


def test_moving_that_the_disk_refuses_leaves_file_and_run_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = land(site, "a.csv")
    site.ingest()

    def refuse(*_args: object) -> bool:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(listing, "move_below", refuse)
    assert find(site).files == ()
    assert path.exists()
    assert "ingested files stay in the landing area" in caplog.text


def test_file_put_there_at_the_last_moment_goes_back_to_be_ingested(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = land(site, "a.csv")
    (file,) = list_files(str(site.landing), ["*.csv"])
    before = local_files.os.rename

    def replaced(source: str, target: str, **more: int) -> None:
        path.unlink()
        path.write_text("newer")
        before(source, target, **more)

    monkeypatch.setattr(local_files.os, "rename", replaced)
    target = str(done(site, "a.csv"))
    assert move_unchanged(file, str(site.landing), target, site.home.landing) is False
    assert (path.read_text(), done(site, "a.csv").exists()) == ("newer", False)


@pytest.mark.parametrize("where", [".done", ".done/weather"])
def test_link_in_place_of_the_folder_is_not_followed(site: Site, tmp_path: Path, where: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = Path(site.home.landing) / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere, target_is_directory=True)
    path = land(site, "a.csv")
    site.ingest()
    find(site)
    assert path.exists()
    assert not list(elsewhere.rglob("*.csv"))


def test_accepted_loss_brings_moved_files_back_and_they_are_ingested_again(site: Site) -> None:
    land(site, "a.csv")
    land(site, "b.csv", tiny_csv([(2, 2, "b")]))
    site.ingest()
    find(site)
    log = Path(site.home.dataset_of("weather")) / "_delta_log"
    (log / f"{1:020}.json").unlink()
    accept(site.home, "dataset/weather", site.journal, reason="the disk lost it", run=RUN, now=NOW)
    assert [file.name for file in find(site).files] == ["b.csv"]
    site.ingest()
    assert site.dataset.read(columns=["x"])["x"].to_list() == [1, 2]


def test_put_back_does_not_replace_a_newer_file(site: Site) -> None:
    land(site, "a.csv")
    site.ingest()
    find(site)
    path = land(site, "a.csv", tiny_csv([(3, 3, "a")]))
    assert put_back(site.home, "weather", [str(path)]) == []
    assert "2021-01-01T03" in path.read_text()


@pytest.mark.parametrize(("held", "needs"), [(True, []), (False, ["the dataset does not hold its rows"])])
def test_moved_file_expires_as_if_it_had_stayed(site: Site, held: bool, needs: list[str]) -> None:
    land(site, "a.csv")
    site.ingest()
    find(site)
    (file,) = list_files(site.home.ingested_of("weather"), ["*.csv"])
    batches = [one.batch_id for one in site.journal.batches("weather")] if held else []
    known = BackedUp(frozenset(), asked=False)
    assert list(landing_needs(site.model, site.home, site.journal, batches, known)(file)) == needs
