"""An installation that knows Junes, and the judgement of files that land there."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.schema import Model
from almanac.data.ingest.ingest import IngestSummary
from almanac.sample.weather_generator import generate_month
from tests.data.dirty.case import Case, Judgement
from tests.data.installation import Site

_NOW = datetime(2023, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def two_junes(tmp_path_factory: pytest.TempPathFactory, weather: Model) -> Path:
    """An installation that holds the Junes of two earlier years."""
    root = tmp_path_factory.mktemp("two_junes")
    site = Site(root, weather)
    for year in (2021, 2022):
        site.land(f"weather_{year}-06.csv", generate_month(year, 6).write_csv())
    assert site.ingest(now=_NOW).published_rows == 1440
    return root


@pytest.fixture
def judge(two_junes: Path, tmp_path: Path, weather: Model) -> Callable[[Case], Judgement]:
    """Lets the file of a case land and be ingested; gives what came of it."""

    def judged(case: Case) -> Judgement:
        shutil.copytree(two_junes, tmp_path / "home")
        source = {"patterns": ("*.csv*", "*.jsonl*", "*.parquet"), "format": case.format, "max_unpacked_mb": 2}
        site = Site(tmp_path / "home", weather.model_copy(update={"source": weather.source.model_copy(update=source)}))
        landed = site.land(case.name, case.content())
        os.utime(landed, (_NOW.timestamp(), _NOW.timestamp()))
        summary = site.ingest(now=_NOW)
        lines = [*summary.waiting]
        for record in (one for one in site.journal.batches("weather") if one.uri == str(landed)):
            lines += [*record.reasons, *record.warnings, *(f"{rule}: {n}" for rule, n in record.broken_rules.items())]
        rows = site.dataset.read()
        assert rows["Timestamp"].n_unique() == rows.height == 1440 + summary.published_rows
        return Judgement(_verdict(summary), tuple(lines))

    return judged


def _verdict(summary: IngestSummary) -> tuple[int, int] | str:
    if summary.rejected:
        return "rejected"
    if summary.waiting:
        return "waits"
    return "empty" if summary.empty else (summary.published_rows, summary.quarantined_rows)
