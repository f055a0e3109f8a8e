"""A file that grew while it was copied, and rows of a try that was cut off before its file was rejected."""

import pytest

from almanac.data.ingest.ingest import ingest_batches
from almanac.journal.records import BatchState, RunRef
from tests.data.installation import NOW, KilledError, Site, tiny_csv, tiny_dataset

GOOD = [(hour, 1.0, "a") for hour in range(6)]
BAD = [(hour, 99.0, "a") for hour in range(6, 9)]  # above the declared maximum


def test_file_that_has_changed_since_it_was_listed_is_left_for_a_later_run(site: Site) -> None:
    path = site.land("a.csv", tiny_csv(GOOD))
    (listed,) = site.new()
    path.write_text(path.read_text("utf-8") + tiny_csv(BAD).split("\n", 1)[1], "utf-8")
    (waiting,) = site.ingest(files=[listed]).waiting
    assert waiting == f"{listed.uri}: changed since it was listed; it is ingested when it is stable"
    assert not site.dataset.exists()
    assert site.journal.batches(site.model.name) == []
    assert site.ingest().published_rows == len(GOOD)


@pytest.mark.parametrize("read", [b"Time,x,kind\n", tiny_csv([*GOOD, *BAD]).encode()], ids=["less", "more"])
def test_file_of_which_less_or_more_was_read_than_listed_is_left_for_a_later_run(
    site: Site, monkeypatch: pytest.MonkeyPatch, read: bytes
) -> None:
    site.land("a.csv", tiny_csv(GOOD))
    (listed,) = site.new()
    with monkeypatch.context() as patched:
        patched.setattr("almanac.data.ingest.file_ingest.read_listed", lambda *_: iter([read]))
        assert site.ingest(files=[listed]).waiting == (f"{listed.uri}: still growing",)
    assert not site.dataset.exists()
    assert site.ingest().published_rows == len(GOOD)


def test_rows_of_a_try_that_was_cut_off_do_not_stay_beside_the_rejected_file(site: Site) -> None:
    def die(step: str, _batch: str) -> None:
        if step == "quarantined":
            raise KilledError

    site.land("a.csv", tiny_csv([*GOOD, *BAD]))
    with pytest.raises(KilledError):
        site.ingest(on_step=die)
    assert site.quarantined().height == len(BAD)
    strict = site.model.model_copy(update={"dataset": tiny_dataset(max_bad_share=0.1)})
    site.model = strict
    (rejected,) = site.ingest().rejected
    assert "more than dataset.max_bad_share" in rejected.reasons[0]
    assert site.quarantined().height == 0
    assert len(site.rejected_files()) == 1
    assert site.journal.batches(site.model.name)[0].state is BatchState.REJECTED


def test_rejection_of_an_earlier_run_is_not_reported_again_by_a_later_one(site: Site) -> None:
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(max_bad_share=0.1)})
    site.land("a.csv", tiny_csv([*GOOD, *BAD]))
    (listed,) = site.new()
    assert len(site.ingest(files=[listed]).rejected) == 1
    assert len(site.ingest(files=[listed]).rejected) == 1  # the same run, tried again: nobody may have been told yet
    later = ingest_batches(
        site.model, site.home, site.journal, [listed], RunRef("ingest_weather", "later"), now=NOW, clock=lambda: NOW
    )
    assert later.rejected == ()
    assert later.waiting == (f"{listed.uri}: removed before it was read",)
