"""A file with 200,000 columns or a cell of 1 MB gives reasons, reports and pages of ordinary size."""

from datetime import timedelta
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.pages.pages import Pages
from almanac.reporting.urls import Urls
from tests.data.installation import NOW, Site, tiny_csv, tiny_dataset

MANY, LARGE = 200_000, 1 << 20
PAGE_BYTES = 100_000


def site_of(folder: Path, **dataset: object) -> Site:
    weather = find_model(MODELS_FOLDER, "weather")
    return Site(folder, weather.model_copy(update={"dataset": tiny_dataset(**dataset)}))


def report_sizes(site: Site) -> list[int]:
    return [path.stat().st_size for path in Path(site.home.reports_of("weather")).glob("*.html")]


@pytest.mark.parametrize("declared", [True, False])
def test_200_000_columns_give_a_short_reason_report_and_start_page(tmp_path: Path, declared: bool) -> None:
    site = site_of(tmp_path, on_unexpected_column="reject")
    names = [*(["Time", "x", "kind"] if declared else []), *(f"column_{number}" for number in range(MANY))]
    site.land("a.csv", ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    (rejected,) = site.ingest().rejected
    assert "more" in rejected.reasons[0]
    assert len(rejected.reasons[0]) < 2_000
    assert max(report_sizes(site)) < PAGE_BYTES
    pages = Pages(site.home, site.journal, Urls("/almanac", None), NOW + timedelta(minutes=1))
    page = pages.start((site.model,), ())
    assert "column_0" in page
    assert len(page) < PAGE_BYTES


def test_a_cell_of_1_mb_gives_a_report_of_ordinary_size(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.land("a.csv", tiny_csv([(1, 1, "a"), (2, 2, "a"), (3, 1, "y" * LARGE)]))
    summary = site.ingest()
    assert summary.quarantined_rows + len(summary.rejected) == 1
    assert max(report_sizes(site)) < PAGE_BYTES
    for record in site.journal.batches("weather"):
        assert sum(map(len, (*record.reasons, *record.warnings))) < PAGE_BYTES
