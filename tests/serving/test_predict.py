"""Requests are answered as batches are scored, and refused where ingest would refuse."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from almanac.config.files.loader import find_model
from almanac.data.table.delta_table import read_table
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.onnx_model import OnnxModel
from almanac.scoring.pause import resume_scoring, stop_scoring
from almanac.scoring.score import score_new_windows
from almanac.serving.batcher import BusyError
from almanac.serving.engine import PredictionRequest
from almanac.serving.replies import MAX_BODY_BYTES
from almanac.serving.request_rows import RequestError
from tests.monitoring.world import TRAINED_UNTIL, MemoryRegistry, hours
from tests.serving.world import DAY, GATES, NOW, SKY, Online, as_rows, graph_of, next_hours

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRef("serve", "test")


@pytest.fixture
def online(tmp_path: Path) -> Online:
    return Online(tmp_path)


def test_predict_says_what_batch_scoring_says_of_the_same_rows(online: Online) -> None:
    rows = next_hours(30)
    said = online.ask(*as_rows(rows)).json()["predictions"]

    online.world.publish(rows)
    model = find_model(online.home.models, "weather")
    score_new_windows(model, online.home, MemoryRegistry(), run=RUN, now=NOW)
    batch = online.world.predictions().sort("time")
    assert [each["probability"] for each in said] == batch["probability"].to_list()
    assert [each["label"] for each in said] == batch["label"].to_list()


def test_predict_one_row_looks_back_into_the_dataset(online: Online) -> None:
    (row,) = as_rows(next_hours())
    alone = online.ask(row).json()

    assert "missing" not in alone["predictions"][0]
    assert alone["history"] == {"dataset_version": 0, "until": "2023-12-31T23:00:00+00:00"}


def test_predict_row_that_is_in_the_dataset_counts_as_it_is_asked(online: Online) -> None:
    stored = as_rows(hours(TRAINED_UNTIL - timedelta(hours=1), TRAINED_UNTIL))[0]
    as_stored = online.ask(stored).json()["predictions"][0]["probability"]
    drier = online.ask({**stored, "Humidity": 0.2}).json()["predictions"][0]["probability"]

    assert drier != as_stored


def test_predict_two_requests_do_not_see_each_other(online: Online) -> None:
    first, second = as_rows(next_hours(4))[0], as_rows(next_hours(4))[3]  # features look three hours back
    engine = online.service.engines["weather"]
    together = engine.answer([PredictionRequest([first], "a"), PredictionRequest([second], "b")])
    alone = engine.answer([PredictionRequest([second], "b")])

    assert together[1].answers[0]["probability"] == alone[0].answers[0]["probability"]
    assert together[1].answers[0]["missing"] == alone[0].answers[0]["missing"]


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"Humidity": 7}, "Humidity", "between 0.01 and 1"),
        ({"Humidity": True}, "Humidity", "a finite number"),
        ({"Humidity": None}, "Humidity", "never empty"),
        ({"Humidity": [0.5]}, "Humidity", "a finite number"),
        ({"Wind_bearing_degrees": 1.5}, "Wind_bearing_degrees", "a whole number"),
        ({"Weather_conditions": "hail"}, "Weather_conditions", "one of rain, snow, clear"),
        ({"Timestamp": "2024-01-01 00:00:00"}, "Timestamp", "a time with its offset"),
        ({"Timestamp": "yesterday"}, "Timestamp", "a time with its offset"),
        ({"Timestamp": "1999-01-01T00:00:00Z"}, "Timestamp", "not before 2000-01-01"),
        ({"Humidty": 0.5}, "Humidty", "did you mean 'Humidity'?"),
    ],
)
def test_predict_refuses_what_ingest_would_quarantine(
    online: Online, changes: dict[str, Any], column: str, expected: str
) -> None:
    good, bad = as_rows(next_hours(2))
    said = online.ask(good, {**bad, **changes})

    assert said.status_code == 422
    problem = said.json()["problems"][0]
    assert problem["column"] == column
    assert expected in problem["expected"]
    assert expected in said.json()["error"]


def test_predict_times_that_all_lack_an_offset_are_refused(online: Online) -> None:
    row = as_rows(next_hours())[0]

    assert "timestamp without offset" in online.ask({**row, "Timestamp": "2024-01-01 00:00:00"}).json()["error"]


def test_predict_bad_request_does_not_touch_the_others_beside_it(online: Online) -> None:
    row = as_rows(next_hours())[0]
    engine = online.service.engines["weather"]
    bad, good = engine.answer([PredictionRequest([{**row, "Humidity": 9}], "a"), PredictionRequest([row], "b")])

    assert isinstance(bad, RequestError)
    assert bad.problems[0].row == 0
    assert good.answers[0]["probability"] == online.ask(row).json()["predictions"][0]["probability"]


def test_predict_same_row_twice_in_a_request_is_refused(online: Online) -> None:
    row = as_rows(next_hours())[0]

    assert "the key of another row" in online.ask(row, row).json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "no JSON"),
        (b"[]", 400, "another object"),
        (b'{"rows": []}', 400, "got 0 rows"),
        (b'{"rows": [1]}', 400, "another object"),
        (b'{"rows": [{}], "more": 1}', 400, "another object"),
        (b'{"rows": [' + b"{}," * 1000 + b"{}]}", 400, "got 1001 rows"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "larger than"),
    ],
)
def test_predict_body_of_another_form_is_refused(online: Online, body: bytes, status: int, words: str) -> None:
    headers = {"Authorization": f"Bearer {online.token}"}
    said = online.client.post("/v1/models/weather/predict", content=body, headers=headers)

    assert said.status_code == status
    assert words in said.json()["error"]


def test_predict_while_scoring_is_stopped_answers_nothing(online: Online) -> None:
    row, journal = as_rows(next_hours())[0], Journal(online.home.journal_url)
    stop_scoring(journal, "weather", reason="a sensor lies", run=RUN, now=NOW)
    online.service.refresh()
    said = online.ask(row)
    assert said.status_code == 503
    assert "a sensor lies" in said.json()["error"]
    assert said.headers["retry-after"]

    resume_scoring(journal, "weather", reason="mended", run=RUN, now=NOW)
    online.service.refresh()
    assert online.ask(row).status_code == 200


@pytest.mark.parametrize(("policy", "status"), [("refuse", 503), ("warn", 200)])
def test_predict_far_from_the_datasets_newest_row_is_refused_or_warned_of(
    tmp_path: Path, policy: str, status: int
) -> None:
    online = Online(tmp_path, {"max_staleness": "2h", "when_stale": policy})
    near, far = as_rows(next_hours(4))[1], as_rows(next_hours(4))[2]

    assert "warnings" not in online.ask(near).json()["predictions"][0]
    said = online.ask(far)
    assert said.status_code == status
    assert "rows until 2023-12-31 23:00 UTC" in str(said.json())


def test_predict_new_rows_are_seen_after_they_are_published(online: Online) -> None:
    first, second = next_hours(2)[:1], next_hours(2)[1:]
    before = online.ask(*as_rows(second)).json()["history"]["until"]
    online.world.publish(first)
    online.service.refresh()

    assert before == "2023-12-31T23:00:00+00:00"
    assert online.ask(*as_rows(second)).json()["history"]["until"] == "2024-01-01T00:00:00+00:00"


def test_predict_older_row_reads_its_history_from_the_table(online: Online) -> None:
    long_ago = hours(TRAINED_UNTIL - 4 * DAY, TRAINED_UNTIL - 4 * DAY + timedelta(hours=1))

    assert "missing" not in online.ask(*as_rows(long_ago)).json()["predictions"][0]


def test_predict_too_many_waiting_requests_are_told_when_to_come_again(online: Online, monkeypatch) -> None:
    async def busy(*_: object) -> None:
        raise BusyError

    monkeypatch.setattr(online.service.batchers["weather"], "ask", busy)
    said = online.ask(*as_rows(next_hours()))

    assert said.status_code == 429
    assert said.headers["retry-after"] == "1"


def test_model_says_whether_small_requests_need_no_frame(online: Online) -> None:
    headers = {"Authorization": f"Bearer {online.token}"}
    assert online.client.get("/v1/models/weather", headers=headers).json()["quick"] is True


def test_predict_new_champion_answers_after_it_was_warmed(online: Online) -> None:
    row = as_rows(next_hours())[0]
    online.versions.graphs["2"] = online.versions.graphs["1"]
    online.versions.champion = "2"
    online.service.refresh()

    assert online.ask(row).json()["version"] == "2"


@pytest.mark.parametrize("graph", [b"", b"no graph"])
def test_predict_champion_that_cannot_be_loaded_does_not_replace_the_one_that_works(
    online: Online, graph: bytes
) -> None:
    online.versions.graphs["2"] = graph
    online.versions.champion = "2"
    online.service.refresh()

    assert online.ask(*as_rows(next_hours())).json()["version"] == "1"
    assert online.service.models["weather"].problems["champion"]


def test_predict_without_a_champion_is_not_served(online: Online) -> None:
    online.versions.champion = None
    online.service.refresh()

    said = online.ask(*as_rows(next_hours()))
    assert said.status_code == 503
    assert "no champion yet" in said.json()["error"]


def test_predict_goes_on_while_the_registry_is_away_also_after_a_restart(online: Online) -> None:
    row = as_rows(next_hours())[0]
    before = online.ask(row).json()["predictions"][0]["probability"]
    online.versions.away = True
    online.service.refresh()
    assert online.ask(row).json()["predictions"][0]["probability"] == before

    online.start()
    assert online.ask(row).json()["predictions"][0]["probability"] == before
    assert "MLflow does not answer" in online.service.models["weather"].problems["champion"]


def test_predict_kept_graph_of_other_bytes_is_never_loaded(online: Online) -> None:
    (kept,) = (online.home.serving / "versions").glob("*.onnx")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    online.versions.away = True
    online.start()

    assert online.ask(*as_rows(next_hours())).status_code == 503
    assert "expected what was kept" in online.service.models["weather"].problems["champion"]


def test_predict_graph_that_reads_undeclared_features_is_refused(online: Online) -> None:
    graph = OnnxModel(online.versions.graphs["1"])
    assert "Temperature_C" in graph.features
    declared = online.home.models / "weather.yaml"
    declared.write_text(declared.read_text("utf-8").replace("- column: Temperature_C\n", "", 1), "utf-8")
    online.versions.graphs["2"] = online.versions.graphs["1"]
    online.versions.champion = "2"
    online.service.refresh()

    assert online.ask(*as_rows(next_hours())).json()["version"] == "1"
    assert "Temperature_C" in online.service.models["weather"].problems["champion"]


def test_predict_several_classes_have_the_columns_of_a_batch(tmp_path: Path) -> None:
    online = Online(tmp_path, label=SKY, gates=GATES)
    online.versions.graphs["1"] = graph_of(find_model(online.home.models, "weather"))
    online.service.refresh()
    rows = next_hours(5)
    said = online.ask(*as_rows(rows)).json()["predictions"]

    each = ("probability_rain", "probability_snow", "probability_clear")
    assert all(abs(sum(row[name] for name in each) - 1) < 1e-6 for row in said)
    assert all(row["probability"] == max(row[name] for name in each) for row in said)
    assert {row["label"] for row in said} <= {"rain", "snow", "clear"}
    online.service.log.ship()
    logged = read_table(online.home.answers_of("weather"))
    assert logged["label"].to_list() == [row["label"] for row in said]
    assert json.loads(logged["probabilities"][0]) == {name.removeprefix("probability_"): said[0][name] for name in each}


def test_predict_graph_of_other_classes_is_refused(tmp_path: Path) -> None:
    online = Online(tmp_path, label=SKY, gates=GATES)  # the registry's champion says yes or no

    assert online.ask(*as_rows(next_hours())).status_code == 503
    assert "the YAML declares" in online.service.models["weather"].problems["champion"]
