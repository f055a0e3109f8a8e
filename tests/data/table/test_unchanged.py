"""A batch whose rows are all there already makes no commit, and is known for ever, whatever comes after it."""

from pathlib import Path

import pytest
from deltalake import CommitProperties

from almanac.config.schema import Model
from almanac.data.ingest.announcement import find_unannounced
from almanac.data.quarantine.readmission import Readmitter
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.loss import accept_restored
from almanac.data.table.maintenance import compact
from almanac.errors import IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from tests.data.installation import NOW, RUN, KilledError, Site, tiny_csv, tiny_dataset

FIRST = tiny_csv([(hour, 1, "a") for hour in range(3)])
SAME_ROWS = tiny_csv([(hour, 1, "a") for hour in reversed(range(3))])  # other bytes, no other row
CORRECTED = tiny_csv([(0, 7, "b")])
NEW = tiny_csv([(50, 2, "a")])


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    """Corrections replace here, and must not be undone. The first file is published, the second has the same rows."""
    site = Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset(corrections="replace")}))
    site.land("1.csv", FIRST)
    site.ingest()
    site.land("2.csv", SAME_ROWS)
    return site


def ends(site: Site) -> dict[str, BatchState]:
    return {Path(one.uri).name: one.state for one in site.journal.batches("weather")}


def rows(site: Site) -> list[tuple[object, ...]]:
    return site.dataset.read(columns=["x", "kind"]).rows()


def lose_the_journal(site: Site) -> None:
    site.journal = Journal(f"sqlite:///{site.home.home}/new.db")


def test_ingest_batch_without_a_new_row_makes_no_commit(site: Site) -> None:
    summary = site.ingest()
    assert (summary.unchanged, summary.published_batches, summary.dataset_version) == (1, 0, None)
    assert site.dataset.version() == 0
    assert ends(site) == {"1.csv": BatchState.PUBLISHED, "2.csv": BatchState.UNCHANGED}
    (record,) = [one for one in site.journal.batches("weather") if one.state is BatchState.UNCHANGED]
    assert (record.rows_read, record.rows_dropped, record.rows_published, record.report_uri) == (3, 3, 0, "")
    assert site.new() == []


def test_ingest_batch_without_a_new_row_is_not_announced(site: Site) -> None:
    site.ingest()
    assert find_unannounced(site.model, site.home, site.journal, announced=0) is None


def test_ingest_batch_with_one_bad_row_and_no_new_one_makes_its_commit(site: Site) -> None:
    """Its row can be readmitted only when the log knows the batch."""
    site.land("2.csv", SAME_ROWS + "2021-01-02T00:00:00+00:00,99,a\n")
    site.ingest()
    assert site.dataset.version() == 1
    assert site.quarantined().height == 1


def test_ingest_the_same_bytes_again_are_a_duplicate_before_and_after_the_next_commit(site: Site) -> None:
    site.ingest()
    site.land("3.csv", SAME_ROWS)
    assert (site.ingest().duplicates, site.dataset.version()) == (1, 0)
    site.land("4.csv", NEW)
    site.ingest()
    site.land("5.csv", SAME_ROWS)
    assert (site.ingest().duplicates, site.dataset.version()) == (1, 1)


def test_correction_is_not_undone_by_an_unchanged_batch_that_comes_again(site: Site) -> None:
    site.ingest()
    site.land("3.csv", CORRECTED)
    site.ingest()
    site.land("4.csv", SAME_ROWS)
    assert site.ingest().duplicates == 1
    assert rows(site) == [(7.0, "b"), (1.0, "a"), (1.0, "a")]


def test_correction_is_not_undone_even_when_the_journal_is_lost(site: Site) -> None:
    site.ingest()
    site.land("3.csv", CORRECTED)
    site.ingest()
    lose_the_journal(site)
    site.land("4.csv", SAME_ROWS)
    site.ingest()
    assert rows(site)[0] == (7.0, "b")
    assert ends(site)["2.csv"] is BatchState.UNCHANGED


def test_transaction_without_its_commit_is_still_a_fault(site: Site) -> None:
    """Only batches that the log itself calls unchanged need no commit of their own."""
    site.ingest()
    lose_the_journal(site)
    log = Path(site.dataset.uri, "_delta_log", f"{0:020}.json")
    log.write_text(log.read_text("utf-8").replace('"almanac"', '"other"'), "utf-8")
    site.dataset = type(site.dataset).of(site.home, site.model)
    with pytest.raises(IntegrityError, match="its commit is missing"):
        site.ingest()


def test_columns_added_meanwhile_carry_the_unchanged_batches(site: Site, weather: Model) -> None:
    from almanac.config.sections.dataset import Column

    site.ingest()
    columns = {**site.model.dataset.columns, "new": Column(type="float", nullable=True)}
    wider = tiny_dataset(corrections="replace", columns=columns)
    site.model = weather.model_copy(update={"dataset": wider})
    site.dataset = type(site.dataset).of(site.home, site.model)
    site.land("3.csv", CORRECTED)
    site.ingest()
    (batch,) = [one.batch_id for one in site.journal.batches("weather") if one.state is BatchState.UNCHANGED]
    assert site.dataset.snapshot().brought_nothing(batch)


def test_maintenance_names_the_unchanged_batches_once(site: Site) -> None:
    site.ingest()
    compact(site.model, site.home)
    (batch,) = [one.batch_id for one in site.journal.batches("weather") if one.state is BatchState.UNCHANGED]
    assert site.dataset.snapshot().brought_nothing(batch)
    version = site.dataset.version()
    compact(site.model, site.home)
    assert site.dataset.version() == version


def test_compaction_meanwhile_changes_no_answer(site: Site) -> None:
    """It commits after the batch was found to bring nothing; the next batch's commit still names it."""
    site.land("0.csv", NEW)
    site.ingest()
    (batch,) = [one.batch_id for one in site.journal.batches("weather") if one.state is BatchState.UNCHANGED]
    site.dataset.snapshot().table.optimize.compact(
        commit_properties=CommitProperties(custom_metadata={"maintenance": "compact"})
    )
    before = site.dataset.version()
    site.dataset.snapshot().table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert site.dataset.version() > before  # a vacuum commits, too
    site.land("3.csv", CORRECTED)
    site.ingest()
    assert site.dataset.snapshot().brought_nothing(batch)


def test_readmission_carries_the_unchanged_batches(site: Site) -> None:
    site.land("2.csv", tiny_csv([(60, 1, "a"), (61, 1, "a"), (62, 99, "a")]))
    site.ingest()
    (waiting,) = set(site.quarantined()["batch"])
    site.land("3.csv", SAME_ROWS)
    site.ingest()
    (batch,) = [one.batch_id for one in site.journal.batches("weather") if one.state is BatchState.UNCHANGED]
    Readmitter(site.model, site.home, site.journal, RUN, "it is right", lambda: NOW).readmit(
        waiting, edits={3: {"x": "9"}}
    )
    assert site.dataset.snapshot().brought_nothing(batch)


def test_dataset_that_went_back_takes_the_rows_again(site: Site) -> None:
    """An older dataset was restored: what brought nothing to the lost one may bring everything to this one."""
    site.land("2.csv", NEW)
    site.ingest()
    site.land("3.csv", NEW.replace("2,a", "2.0,a"))
    site.ingest()
    assert ends(site)["3.csv"] is BatchState.UNCHANGED
    Path(site.dataset.uri, "_delta_log", f"{1:020}.json").unlink()
    site.dataset = type(site.dataset).of(site.home, site.model)
    accept_restored(site.home, f"dataset/{site.model.name}", site.journal, reason="a test", run=RUN, now=NOW)
    site.land("4.csv", tiny_csv([(70, 1, "a")]))
    assert site.ingest().published_rows == 2  # and that of the commit that is gone, whose file still lies there
    (site.landing / "3.csv").touch()
    assert site.ingest().published_rows == 0
    assert site.dataset.count() == 5


def test_ingest_killed_before_it_is_noted_comes_to_the_same_end(site: Site) -> None:
    def die(step: str, _: str) -> None:
        if step == "validated":
            raise KilledError

    with pytest.raises(KilledError):
        site.ingest(on_step=die)
    assert site.ingest().unchanged == 1
    assert site.dataset.version() == 0


def test_ingest_checks_again_what_others_committed_on_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the check and the note somebody corrects a row, and may not have seen the note."""
    rival = Site(site.home.home, site.model)
    correction = rival.land("3.csv.part", CORRECTED)
    (files,) = [[file for file in site.new() if file.name == "2.csv"]]
    plain, seen = DatasetSnapshot.commit_id, []

    def commit_id(self: DatasetSnapshot) -> str:
        found = plain(self)
        if not seen:
            seen.append(found)
            correction.rename(correction.with_suffix(""))
            rival.ingest(files=[file for file in rival.new() if file.name == "3.csv"])
        return found

    monkeypatch.setattr(DatasetSnapshot, "commit_id", commit_id)
    site.ingest(files=files)
    (record,) = [one for one in site.journal.batches("weather") if one.uri.endswith("2.csv")]
    assert record.base != seen[0]
