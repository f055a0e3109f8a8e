"""What becomes of a file: published once, known already, empty, rejected, or left to wait."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.data.ingest.ingest import InterruptedIngestError, raise_rejections
from almanac.data.table.commit_record import committed_batches
from almanac.errors import ConfigError, DataError, TransientError
from almanac.journal.records import BatchState
from almanac.storage.listing import StoredFile
from tests.data.installation import NOW, START, Site, tiny_csv, tiny_dataset


def _rows(count: int, first: int = 0) -> list[tuple[int, object, str]]:
    return [(hour, 1.5, "a") for hour in range(first, first + count)]


def test_ingest_good_file_is_published_with_its_window(site: Site) -> None:
    path = site.land("a.csv", tiny_csv(_rows(10)))
    summary = site.ingest()
    assert (summary.published_batches, summary.published_rows, summary.dataset_rows) == (1, 10, 10)
    assert summary.window_start == START.isoformat()
    assert summary.window_end == (START + timedelta(hours=10)).isoformat()
    assert summary.dataset_version == site.dataset.version()
    assert path.exists()
    (record,) = site.journal.batches(site.model.name)
    assert (record.state, record.rows_read, record.rows_published) == (BatchState.PUBLISHED, 10, 10)
    assert site.dataset.read(columns=["_batch"])["_batch"].unique().to_list() == [record.batch_id]


def test_ingest_summary_is_json(site: Site) -> None:
    site.land("a.csv", tiny_csv(_rows(3)))
    site.land("bad.csv", "")
    summary = site.ingest().to_json()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["rejected"][0]["uri"].endswith("/bad.csv")


def test_ingest_same_bytes_under_another_name_change_nothing(site: Site) -> None:
    site.land("a.csv", tiny_csv(_rows(10)))
    site.ingest()
    version = site.dataset.version()
    site.land("renamed.csv", tiny_csv(_rows(10)))
    summary = site.ingest()
    assert (summary.duplicates, summary.published_batches, summary.dataset_version) == (1, 0, None)
    assert site.dataset.version() == version
    assert site.ingest().duplicates == 0


def test_ingest_bad_rows_go_to_quarantine_with_rules_and_raw_text(site: Site) -> None:
    rows = [*_rows(6), (6, 11, "a"), (7, "12;5", "c"), (8, "", "")]
    site.land("a.csv", tiny_csv(rows))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (6, 3)
    bad = site.quarantined()
    assert bad.select("row", "rules").rows() == [(7, ["x.range"]), (8, ["x.type", "kind.values"]), (9, ["x.null"])]
    assert json.loads(bad["raw"][1]) == {"Time": "2021-01-01T07:00:00+00:00", "x": "12;5", "kind": "c"}
    (record,) = site.journal.batches(site.model.name)
    assert record.broken_rules == {"x.range": 1, "x.type": 1, "kind.values": 1, "x.null": 1}
    assert "12;5" in Path(record.report_uri).read_text("utf-8")


def test_ingest_too_many_bad_rows_reject_the_batch_with_counts(site: Site) -> None:
    site.land("a.csv", tiny_csv([*_rows(4), *((hour, 99, "a") for hour in range(4, 9))]))
    summary = site.ingest()
    (rejected,) = summary.rejected
    assert "5 of 9 rows are bad (55.6%), more than dataset.max_bad_share (50.0%) allows" in rejected.reasons[0]
    assert "x.range 5" in rejected.reasons[0]
    assert not site.dataset.exists()
    assert site.quarantined().is_empty()


def test_ingest_rejected_file_leaves_landing_and_is_kept_byte_for_byte(site: Site) -> None:
    content = tiny_csv(_rows(3)).replace("x", "y", 1)
    path = site.land("a b;c.csv", content)
    (rejected,) = site.ingest().rejected
    assert not path.exists()
    (kept,) = site.rejected_files()
    assert kept.endswith("_a_b_c.csv")
    assert (Path(site.home.quarantined_files_of(site.model.name)) / kept).read_text() == content
    assert "required column missing: x" in rejected.reasons[0]
    assert "required column missing: x" in Path(rejected.report_uri).read_text("utf-8")
    (record,) = site.journal.batches(site.model.name)
    assert (record.state, record.reasons) == (BatchState.REJECTED, rejected.reasons)


def test_ingest_fault_of_one_file_does_not_stop_the_others(site: Site) -> None:
    site.land("1.csv", tiny_csv(_rows(3)))
    site.land("2.csv", b"\x1f\x8b")
    site.land("3.csv", tiny_csv(_rows(3, first=3)))
    summary = site.ingest()
    assert (summary.published_batches, len(summary.rejected), summary.dataset_rows) == (2, 1, 6)


def test_ingest_repaired_file_of_the_same_name_is_taken(site: Site) -> None:
    site.land("a.csv", "")
    assert len(site.ingest().rejected) == 1
    site.land("a.csv", tiny_csv(_rows(3)))
    assert site.ingest().published_rows == 3


def test_ingest_rejected_bytes_are_checked_again_under_other_limits(site: Site) -> None:
    content = tiny_csv([*_rows(1), (1, 99, "a"), (2, 99, "a")])
    site.land("a.csv", content)
    assert len(site.ingest().rejected) == 1
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(max_bad_share=0.9)})
    site.land("a.csv", content)
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (1, 2)


def test_ingest_header_only_is_empty_not_rejected(site: Site) -> None:
    site.land("a.csv", "Time,x,kind\n")
    summary = site.ingest()
    assert (summary.empty, summary.published_batches, summary.rejected) == (1, 0, ())
    site.land("b.csv", "Time,x,kind\n")
    assert site.ingest().duplicates == 1


def test_ingest_cut_off_file_waits_and_is_rejected_when_patience_ends(site: Site) -> None:
    path = site.land("a.csv", tiny_csv(_rows(5))[:-6])
    landed = path.stat().st_mtime
    from datetime import UTC, datetime

    seen = datetime.fromtimestamp(landed, UTC)
    (waiting,) = site.ingest(now=seen + timedelta(minutes=1)).waiting
    assert "incomplete file" in waiting
    assert path.exists()
    assert site.journal.batches(site.model.name) == []
    (rejected,) = site.ingest(now=seen + timedelta(minutes=11)).rejected
    assert "incomplete file" in rejected.reasons[0]


def test_ingest_cut_off_file_that_was_completed_is_published(site: Site) -> None:
    from datetime import UTC, datetime

    path = site.land("a.csv", tiny_csv(_rows(5))[:-6])
    site.ingest(now=datetime.fromtimestamp(path.stat().st_mtime, UTC))
    site.land("a.csv", tiny_csv(_rows(5)))
    assert site.ingest().published_rows == 5


def test_ingest_too_large_file_is_rejected_and_stays(site: Site) -> None:
    source = site.model.source.model_copy(update={"max_size_mb": 1})
    site.model = site.model.model_copy(update={"source": source})
    path = site.land("a.csv", b"x" * (2**20 + 1))
    (rejected,) = site.ingest().rejected
    assert "too large; got 1048577 bytes, expected at most source.max_size_mb (1 MB)" in rejected.reasons[0]
    assert path.exists()
    assert site.ingest().rejected == ()


def test_ingest_exact_duplicates_are_dropped_with_a_warning(site: Site) -> None:
    site.land("a.csv", tiny_csv([*_rows(5), *_rows(5)]))
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (5, 5, 0)
    (record,) = site.journal.batches(site.model.name)
    assert record.warnings == ("duplicate key: rows equal to another row of the batch dropped: 5",)


def test_ingest_same_instant_in_another_offset_is_the_same_row(site: Site) -> None:
    again = "2021-01-01T02:00:00+02:00,1.50,a\n"
    site.land("a.csv", tiny_csv(_rows(5)) + again)
    assert site.ingest().published_rows == 5


def test_ingest_conflicting_keys_in_a_batch_are_all_quarantined(site: Site) -> None:
    site.land("a.csv", tiny_csv([*_rows(5), (0, 2.5, "b")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (4, 2)
    assert site.quarantined().select("row", "rules").rows() == [(1, ["key.conflict"]), (6, ["key.conflict"])]


def test_ingest_rows_that_the_dataset_holds_are_dropped_or_quarantined(site: Site) -> None:
    site.land("a.csv", tiny_csv(_rows(5)))
    site.ingest()
    site.land("b.csv", tiny_csv([(3, 1.5, "a"), (4, 9.5, "a"), (5, 1.5, "a"), (6, 1.5, "")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (2, 1, 1)
    assert site.quarantined().select("row", "rules").rows() == [(2, ["key.conflict_with_dataset"])]
    assert site.dataset.count() == 7
    assert site.dataset.read()["x"].to_list() == [1.5] * 7


def test_ingest_empty_cells_equal_to_published_empty_cells_are_duplicates(site: Site) -> None:
    site.land("a.csv", tiny_csv([(0, 1.5, ""), (1, 1.5, "a")]))
    site.ingest()
    site.land("b.csv", tiny_csv([(0, 1.5, ""), (2, 1.5, "a")]))
    assert site.ingest().dropped_rows == 1


def test_ingest_future_rows_are_quarantined(site: Site) -> None:
    hours = int((NOW - START) / timedelta(hours=1))
    site.land("a.csv", tiny_csv([*_rows(5), (hours, 1.5, "a"), (hours + 1, 1.5, "a")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (6, 1)
    assert site.quarantined()["rules"].to_list() == [["Time.future"]]


def test_ingest_changed_columns_are_refused_and_the_file_stays(site: Site) -> None:
    site.land("a.csv", tiny_csv(_rows(3)))
    site.ingest()
    columns = dict(site.model.dataset.columns)
    columns["x"] = columns["x"].model_copy(update={"type": "integer"})
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=columns)})
    path = site.land("b.csv", tiny_csv(_rows(3, first=3)))
    with pytest.raises(ConfigError, match=r"dataset.columns do not fit the table; got \['x'\] declared as \['long'\]"):
        site.ingest()
    assert path.exists()


def test_ingest_store_away_for_one_file_does_the_others_and_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import almanac.data.ingest.file_ingest as room

    def away(file: StoredFile, root: str) -> Iterator[bytes]:
        if file.name == "1.csv":
            raise TransientError(f"{file.uri}: the store is away")
        yield Path(file.uri).read_bytes()

    site.land("1.csv", tiny_csv(_rows(3)))
    site.land("2.csv", tiny_csv(_rows(3, first=3)))
    monkeypatch.setattr(room, "read_listed", away)
    with pytest.raises(InterruptedIngestError, match=r"1.csv: the store is away") as caught:
        site.ingest()
    assert caught.value.summary.published_rows == 3
    monkeypatch.undo()
    assert site.ingest().dataset_rows == 6


def test_ingest_full_disk_publishes_nothing_and_works_after_repair(site: Site) -> None:
    """A file stands where the dataset's folder should be: every write below it fails."""
    site.land("a.csv", tiny_csv(_rows(3)))
    place = Path(site.home.datasets)
    place.write_text("in the way")
    with pytest.raises(InterruptedIngestError, match="Check"):
        site.ingest()
    assert site.journal.batches(site.model.name) == []
    place.unlink()
    assert site.ingest().published_rows == 3


def test_raise_rejections_names_files_reasons_and_reports(site: Site) -> None:
    site.land("a.csv", "")
    rejected = site.ingest().to_json()["rejected"]
    with pytest.raises(DataError, match=r"(?s)weather: 1 batches rejected.*a\.csv.*empty file; got 0 bytes.*Report: /"):
        raise_rejections(site.model, rejected)
    raise_rejections(site.model, [])


def test_commits_hold_the_journal_s_rows_of_batches(site: Site) -> None:
    site.land("a.csv", tiny_csv([*_rows(3), (3, 99, "a")]))
    site.ingest()
    site.land("b.csv", tiny_csv(_rows(3, first=4)))
    site.ingest()
    assert {one.batch_id: one for one in committed_batches(site.dataset)} == {
        one.batch_id: one for one in site.journal.batches("weather")
    }


def test_ingest_scratch_folder_that_another_ingest_removes_meanwhile_is_no_fault(site: Site) -> None:
    site.home.scratch.mkdir(parents=True)
    (site.home.scratch / "gone").symlink_to(site.home.scratch / "nowhere")  # is listed, and cannot be looked at
    site.land("a.csv", tiny_csv(_rows(3)))
    assert site.ingest().published_rows == 3
