"""What a batch is compared with: published rows like it, not more than are needed, and of all hours."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.schema import Model
from almanac.data.ingest.reference import reference_rows
from tests.data.installation import START, Site, tiny_csv, tiny_dataset

HOURS = 24 * 365 * 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, weather: Model) -> Site:
    """Three years of hours."""
    dataset = tiny_dataset(skew=weather.dataset.skew)
    site = Site(tmp_path_factory.mktemp("site"), weather.model_copy(update={"dataset": dataset}))
    site.land("a.csv", tiny_csv((hour, hour % 24 / 3, "a") for hour in range(HOURS)))
    assert site.ingest().published_rows == HOURS
    return site


def _batch(hours: Iterable[int]) -> pl.DataFrame:
    times = [START + timedelta(hours=hour) for hour in hours]
    return pl.DataFrame({"Time": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})


def _reference(site: Site, hours: Iterable[int]) -> pl.DataFrame | None:
    skew = site.model.dataset.skew
    assert skew is not None
    return reference_rows(_batch(hours), site.dataset.snapshot(), site.model.dataset, skew)


def test_reference_is_of_the_batch_s_calendar_months(site: Site) -> None:
    found = _reference(site, range(HOURS, HOURS + 300))
    assert found is not None
    assert set(found["Time"].dt.month()) == {1}
    assert found.height == 3 * 31 * 24


def test_reference_for_a_batch_too_small_to_be_compared_is_not_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("almanac.data.ingest.reference.scan_table", lambda _: pytest.fail("the table was read"))
    assert _reference(site, range(HOURS, HOURS + 199)) is None


def test_reference_of_many_rows_is_thinned_over_all_hours(site: Site) -> None:
    found = _reference(site, range(0, HOURS, 24))
    assert found is not None
    assert found.height <= 20_000
    assert found["Time"].dt.hour().n_unique() == 24
    assert found["x"].mean() == pytest.approx(sum(range(24)) / 24 / 3, abs=0.01)


def test_reference_where_nothing_is_near_is_none(site: Site, tmp_path: Path, weather: Model) -> None:
    assert _reference(site, range(HOURS * 10, HOURS * 10 + 300)) is None
    empty = Site(tmp_path, weather)
    assert weather.dataset.skew is not None
    assert (
        reference_rows(_batch(range(300)), empty.dataset.snapshot(), site.model.dataset, weather.dataset.skew) is None
    )
