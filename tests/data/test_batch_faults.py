"""What a batch as a whole says of itself: times that are off, units that change, what never moves."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from almanac.config.schema import Model
from almanac.config.sections.dataset import Column
from tests.data.installation import START, Site, tiny_dataset
from tests.data.test_rules import SKEW

COLUMNS = {
    "Time": Column(type="timestamp"),
    "warm": Column(type="float", unit="°C"),
    "damp": Column(type="float"),
    "dead": Column(type="float"),
    "place": Column(type="string"),
}
MONTH_H = 24 * 30


def month(first: int, *, ahead: int = 0, change: Callable[[int, float], float] = lambda _, value: value) -> str:
    draw = np.random.default_rng(first)
    lines = ["Time,warm,damp,dead,place"]
    for hour in range(first, first + MONTH_H):
        day = np.cos(2 * np.pi * (hour - 13) / 24)
        warm = change(hour - first, 5 * day + draw.normal())
        time = START + timedelta(hours=hour + ahead)
        lines.append(f"{time.isoformat()},{warm:.3f},{2 - day + draw.normal() / 3:.3f},7.5,port")
    return "\n".join(lines) + "\n"


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    dataset = tiny_dataset(columns=COLUMNS, skew={**SKEW, "min_rows": 200})
    site = Site(tmp_path, weather.model_copy(update={"dataset": dataset}))
    site.land("first.csv", month(0))
    assert site.ingest().published_rows == MONTH_H
    return site


def warnings(site: Site, name: str) -> tuple[str, ...]:
    return next(one.warnings for one in site.journal.batches("weather") if one.uri.endswith(name))


def test_file_whose_times_are_all_ahead_is_rejected_with_words(site: Site) -> None:
    site.land("ahead.csv", month(MONTH_H, ahead=5))
    (rejected,) = site.ingest().rejected
    (reason,) = rejected.reasons
    assert reason.startswith("ahead.csv: Time.offset: the days of warm, damp are all +5.")
    assert "hours off their usual times: an offset was lost or applied twice" in reason
    assert site.dataset.count() == MONTH_H


def test_file_with_right_times_is_published_without_a_word_on_them(site: Site) -> None:
    site.land("right.csv", month(MONTH_H))
    assert site.ingest().published_rows == MONTH_H
    assert not [text for text in warnings(site, "right.csv") if "rhythm" in text or "offset" in text]


def test_file_whose_unit_changes_in_its_middle_is_rejected_with_the_hour(site: Site) -> None:
    site.land("mixed.csv", month(MONTH_H, change=lambda hour, value: value * 1.8 + 32 if hour >= 375 else value))
    (rejected,) = site.ingest().rejected
    assert "mixed.csv: warm.unit: seems to be in another unit (°F) from 2021-02-15" in rejected.reasons[0]


def test_number_that_never_was_another_one_is_reported_from_the_first_batch_on(site: Site) -> None:
    site.land("second.csv", month(MONTH_H))
    site.ingest()
    assert "dead.constant: 720 rows have no value but 7.5: is it measured?" in warnings(site, "first.csv")
    again = "dead.constant: 720 rows have no value but 7.5, and neither do the published ones: is it measured?"
    assert again in warnings(site, "second.csv")


def test_number_that_is_declared_to_be_one_is_not_reported(tmp_path: Path, weather: Model) -> None:
    columns = {**COLUMNS, "dead": Column(type="float", min=7.5, max=7.5)}
    dataset = tiny_dataset(columns=columns, skew={**SKEW, "min_rows": 200})
    site = Site(tmp_path, weather.model_copy(update={"dataset": dataset}))
    site.land("first.csv", month(0))
    site.ingest()
    assert warnings(site, "first.csv") == ()
