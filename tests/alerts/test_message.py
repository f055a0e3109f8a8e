from datetime import UTC, datetime

import pytest

from almanac.alerts.message import Message, failure_message, mask
from almanac.errors import DataError, TransientError
from almanac.journal.records import RunRef

NOW = datetime(2024, 5, 1, 6, 30, tzinfo=UTC)
RUN = RunRef("ingest_weather", "asset__2024-05-01", try_number=2)


def failure(error: BaseException | str, link: str = "http://airflow.example/dags/ingest_weather") -> Message:
    return failure_message(model="weather", run=RUN, task_id="publish", error=error, link=link, now=NOW)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://almanac:hunter22@db:5432/journal is away", "hunter22"),
        ("Authorization: Bearer abc.def-ghi123456", "abc.def-ghi123456"),
        ("password=correct-horse", "correct-horse"),
        ('{"api_key": "sk-123456", "x": 1}', "sk-123456"),
        ("DefaultEndpointsProtocol=https;AccountKey=Zm9vYmFy==;x=1", "Zm9vYmFy"),
        ("https://x.blob.example/c?sv=2024&sig=ab%2Fcd%3D", "ab%2Fcd"),
        ("AWS_SECRET_ACCESS_KEY='wJalrXUt nFEMI'", "wJalrXUt"),
    ],
)
def test_mask_hides_secrets(text: str, secret: str) -> None:
    assert secret not in mask(text)
    assert "***" in mask(text)


def test_mask_leaves_ordinary_text_alone() -> None:
    text = "include/models/weather.yaml: train.schedule: got 'dayly', expected '@daily'; rows = 7, at 06:30"
    assert mask(text) == text


def test_message_masks_anyone_who_makes_it() -> None:
    message = failure(TransientError("redis://:s3cret@cache:6379 is away"), link="https://u:pw99@host/run")
    everything = f"{message.text}{message.html}{message.payload}"
    assert "s3cret" not in everything
    assert "pw99" not in everything


def test_failure_message_cut_error_hides_secret_at_the_cut() -> None:
    message = failure(f"{'x' * 1975} postgresql://almanac:hunter22hunter22hunter22@db/journal")
    assert "hunter" not in message.text


def test_failure_message_says_model_dag_task_try_error_and_link() -> None:
    payload = failure(DataError("weather_2024-02.csv: column Pressure_millibars is missing")).payload
    assert payload["model"] == "weather"
    assert (payload["dag_id"], payload["task_id"], payload["try_number"]) == ("ingest_weather", "publish", 2)
    assert "DataError: weather_2024-02.csv: column Pressure_millibars is missing" in str(payload["text"])
    assert "http://airflow.example/dags/ingest_weather" in str(payload["text"])
    assert payload["raised_at"] == "2024-05-01T06:30:00+00:00"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (DataError("x"), "Correct what the error names"),
        (TransientError("x"), "All retries are used up"),
        (ZeroDivisionError(), "Read the task's log"),
    ],
)
def test_failure_message_advice_follows_the_kind_of_error(error: BaseException, advice: str) -> None:
    assert advice in failure(error).what_to_do


def test_message_html_escapes_what_an_error_brings() -> None:
    assert "<script>" not in failure("<script>alert(1)</script>").html
