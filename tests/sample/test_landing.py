"""Made-up files land until yesterday, each once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.ingest.arrivals import find_batches
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.table.dataset import DatasetTable
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.sample.landing import MODEL, land_sample
from tests.monitoring.world import WEATHER

NOW = datetime(2026, 3, 3, 5, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path / "home", models=MODELS_FOLDER)


def land(home: Home, now: datetime = NOW, months: int = 2) -> list[str]:
    found = land_sample(home, Journal(home.journal_url), months=months, now=now, report=lambda _: None)
    return [file.name for file in found]


def ingest(home: Home) -> None:
    journal, later = Journal(home.journal_url), datetime.now(UTC) + timedelta(hours=1)
    found = find_batches(WEATHER, home, journal, now=later, wait=lambda _: None)
    ingest_batches(WEATHER, home, journal, found.files, RunRef("ingest_weather", "r"), now=later)


def test_sample_lands_whole_months_then_whole_days_without_a_gap(home: Home) -> None:
    names = ["weather_2026-01.csv", "weather_2026-02.csv", "weather_2026-03-01.csv", "weather_2026-03-02.csv"]
    assert land(home) == names
    rows = pl.concat([pl.read_csv(f"{home.landing_of(MODEL)}/{name}") for name in names])
    hours = rows["Timestamp"].str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC")
    assert hours.to_list() == [datetime(2026, 1, 1, tzinfo=UTC) + n * timedelta(hours=1) for n in range(61 * 24)]


def test_sample_each_file_once_also_after_it_was_ingested(home: Home) -> None:
    land(home)
    assert land(home) == []
    ingest(home)
    assert land(home) == []
    assert DatasetTable.of(home, WEATHER).snapshot().version >= 0
    assert land(home, NOW + timedelta(days=1)) == ["weather_2026-03-03.csv"]


def test_sample_month_that_has_landed_by_days_is_finished_by_days(home: Home) -> None:
    land(home)
    april = datetime(2026, 4, 2, tzinfo=UTC)
    assert land(home, april, months=1) == [
        *(f"weather_2026-03-{day:02}.csv" for day in range(3, 32)),
        "weather_2026-04-01.csv",
    ]


def test_sample_of_another_declaration_is_refused(home: Home, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    text = (MODELS_FOLDER / "weather.yaml").read_text("utf-8")
    (models / "weather.yaml").write_text(text.replace("Humidity:", "Moisture:"), "utf-8")
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match="Moisture"):
        land(Home(home=home.home, models=models))
