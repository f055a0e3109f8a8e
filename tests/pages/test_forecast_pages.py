"""A forecast has the pages of other models: it has batches, reports and decisions, and no windows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.journal.journal import Journal
from almanac.pages.pages import Pages
from almanac.pages.report_files import UnknownPageError
from almanac.reporting.urls import Urls
from tests.forecast.shop import declare


@pytest.fixture
def model(tmp_path: Path) -> ForecastModel:
    return declare(tmp_path / "models")


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    home = Home(home=tmp_path, models=tmp_path / "models")
    return Pages(home, Journal(home.journal_url), Urls("/almanac", "/"), datetime(2026, 1, 1, tzinfo=UTC))


def test_forecast_is_among_the_models_of_the_first_page(pages: Pages, model: ForecastModel) -> None:
    assert "<strong>sales</strong>" in pages.start([model])


def test_forecast_has_every_page_of_a_model(pages: Pages, model: ForecastModel) -> None:
    assert "sales" in pages.batches(model, "")
    assert "sales" in pages.windows(model, "")
    with pytest.raises(UnknownPageError, match="sales is a forecast: no version of it answers requests"):
        pages.rollouts(model)
    assert "sales" in pages.journal_of([model], "", "", with_nobodys=False)
    reports = Path(pages.home.reports_of("sales"))
    reports.mkdir(parents=True)
    (reports / "forecast_2024-01-01-12345678.html").write_text("<html><!-- almanac:navigation --></html>")
    (reports / "forecast_2024-01-01-12345678.csv").write_text("a,b\n")
    assert "forecast_2024-01-01-12345678.html" in pages.reports(model, "forecast")
    assert 'aria-label="Almanac"' in pages.report(model, "forecast_2024-01-01-12345678.html")
    content, kind = pages.data_file(model, "forecast_2024-01-01-12345678.csv")
    assert (content, kind) == (b"a,b\n", "text/csv; charset=utf-8")
