"""The page *Storage* says how large everything is, how it has grown, and what the last cleanups have deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from almanac.cleanup.sizes import Size, save_sizes
from almanac.config.home import MODELS_FOLDER, Home
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.pages.pages import Pages
from almanac.reporting.urls import Urls

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunRef("cleanup", "test")


def pages(tmp_path: Path) -> Pages:
    home = Home(home=tmp_path, models=MODELS_FOLDER)
    return Pages(home, Journal(home.journal_url), Urls("/almanac", ""), NOW)


def test_storage_before_the_first_measurement_says_how_to_get_one(tmp_path: Path) -> None:
    assert "almanac cleanup --dry-run" in pages(tmp_path).storage()


def test_storage_shows_sizes_growth_ages_and_what_went(tmp_path: Path) -> None:
    made = pages(tmp_path)
    save_sizes(made.journal, [Size("task logs", "/logs", 1 << 20, 10, "60d")], NOW, cleaned=True, run=RUN)
    grown = [
        Size("task logs", "/logs", 3 << 20, 12, "60d", "2025-12-01T00:00+00:00"),
        Size("backups", "s3://b", -1, 0, "could not be measured: <away>"),
    ]
    save_sizes(made.journal, grown, NOW + timedelta(hours=1), cleaned=False, run=RUN)
    figures = {"task_logs": 1234.0}
    made.journal.record_decision(
        Decision("", DecisionKind.EXPIRY, True, ("1234 files of dag_id=a",), NOW, RUN, "cleanup", figures)
    )
    page = made.storage()
    for expected in ("3.0 MiB", "+2.0 MiB", "60d", "2025-12-01", "1,234", "1234 files of dag_id=a", "&lt;away&gt;"):
        assert expected in page
    assert "2026-01-01 01:00 UTC" in page  # measured
    assert "The last cleanup was at 2026-01-01 00:00 UTC" in page


def test_page_is_in_the_navigation(tmp_path: Path) -> None:
    assert '<a href="/almanac/storage" aria-current=page>Storage</a>' in pages(tmp_path).storage()
