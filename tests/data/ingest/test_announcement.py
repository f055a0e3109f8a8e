"""The event rings once for every published batch, however the run ended that published it."""

from dataclasses import replace
from datetime import timedelta

from almanac.data.ingest.announcement import Announcement, find_unannounced
from tests.data.installation import START, Site, tiny_csv


def _publish(site: Site, *firsts: int) -> None:
    for first in firsts:
        site.land(f"{first}.csv", tiny_csv([*((first + hour, 1.5, "a") for hour in range(3)), (first + 3, 99, "a")]))
        site.ingest()


def _find(site: Site, announced: int | None) -> Announcement | None:
    return find_unannounced(site.model, site.home, site.journal, announced)


def test_find_unannounced_before_the_first_batch_is_nothing(site: Site) -> None:
    site.land("a.csv", "")
    site.ingest()
    assert _find(site, None) is None


def test_find_unannounced_names_all_batches_since_the_last_event(site: Site) -> None:
    _publish(site, 0, 10, 20)
    found = _find(site, 0)
    assert found is not None
    assert (found.dataset_version, found.published_batches, found.published_rows, found.quarantined_rows) == (
        2,
        2,
        6,
        2,
    )
    assert found.window_start == (START + timedelta(hours=10)).isoformat()
    assert found.window_end == (START + timedelta(hours=23)).isoformat()
    assert found.to_json()["dataset_uri"] == site.dataset.uri


def test_find_unannounced_after_the_event_for_the_newest_is_nothing(site: Site) -> None:
    _publish(site, 0, 10)
    assert _find(site, 1) is None


def test_find_unannounced_without_any_event_names_everything(site: Site) -> None:
    _publish(site, 0, 10)
    found = _find(site, None)
    assert found is not None
    assert found.published_batches == 2


def test_find_unannounced_dataset_begun_again_emits_although_its_versions_are_smaller(site: Site) -> None:
    _publish(site, 0, 10)
    found = _find(site, 500)
    assert found is not None
    assert found.published_batches == 2
    assert _find(site, found.dataset_version) is None


def test_find_unannounced_batch_without_a_version_emits_with_the_next(site: Site) -> None:
    """A record of an older release."""
    _publish(site, 0)
    (record,) = site.journal.batches("weather")
    site.journal.record_batch(replace(record, dataset_version=None))
    assert _find(site, None) is None


def test_find_unannounced_of_thousands_of_batches_names_all(site: Site) -> None:
    """More than a page of the journal shows: the window must not begin too late."""
    _publish(site, 0)
    (record,) = site.journal.batches("weather")
    start = record.recorded_at
    for number in range(1, 1101):
        later = replace(
            record,
            batch_id=f"{number:064x}",
            dataset_version=number,
            recorded_at=start + timedelta(seconds=number),
            window_start=START + timedelta(hours=number),
        )
        site.journal.record_batch(later)
    found = _find(site, None)
    assert found is not None
    assert (found.published_batches, found.window_start) == (1101, START.isoformat())
