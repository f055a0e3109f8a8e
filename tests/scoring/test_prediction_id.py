from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from almanac.errors import DataError
from almanac.scoring.prediction_id import PredictionId, prediction_ids

AT = datetime(2024, 2, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (PredictionId("weather", AT, "3"), "weather/2024-02-10T05:00:00Z/3"),
        (PredictionId("tides", AT, "12", ("hamina",)), "tides/2024-02-10T05:00:00Z/hamina/12"),
        (PredictionId("tides", AT, "1", ("a/b 50%", "")), "tides/2024-02-10T05:00:00Z/a%2Fb 50%25//1"),
        (PredictionId("fast", AT + timedelta(microseconds=7), "1"), "fast/2024-02-10T05:00:00.000007Z/1"),
    ],
)
def test_prediction_id_is_the_same_in_words_in_a_column_and_read_back(known: PredictionId, text: str) -> None:
    assert str(known) == text
    assert PredictionId.parse(text) == known
    columns = {f"key{number}": [value] for number, value in enumerate(known.keys)}
    frame = pl.DataFrame({"time": [known.time], **columns}).cast({"time": pl.Datetime("us", "UTC")})
    assert frame.select(prediction_ids(known.model, known.model_version, "time", list(columns))).item() == text


def test_prediction_id_of_another_zone_is_the_same_moment() -> None:
    there = datetime(2024, 2, 10, 7, tzinfo=timezone(timedelta(hours=2)))
    assert str(PredictionId("weather", there, "3")) == "weather/2024-02-10T05:00:00Z/3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "weather",
        "weather@3",
        "weather/2024-02-10T05:00:00/3",
        "weather/soon/3",
        "/x/3",
        "weather/2024-02-10T05:00:00Z/new",
    ],
)
def test_prediction_id_of_something_else_says_what_was_expected(text: str) -> None:
    with pytest.raises(DataError, match=r"not a prediction id; got .* weather/2024-02-10T05:00:00Z/3"):
        PredictionId.parse(text)
