"""Outcomes become rows of the dataset through the landing area, each once, also late ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from almanac.config.files.loader import find_model
from almanac.config.schema import Model
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.table.delta_table import read_table
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.serving.feedback import LoggedOutcome
from almanac.serving.outcome_rows import land_outcomes, why_not_landed
from almanac.storage.listing import list_files
from tests.serving.test_answer_log import logged
from tests.serving.world import GATES, NOW, SKY, Online, as_rows, graph_of, next_hours

RUN = RunRef("almanac", "serve")
ROWS = as_rows(next_hours(4))
FEATURES = [{"column": "Temperature_C"}, {"column": "Humidity"}]
DECLARED: dict[str, Any] = {
    "label": {**SKY, "name": "sky", "horizon": "0s"},
    "features": FEATURES,
    "gates": {**GATES, "baselines": {**GATES["baselines"], "kinds": ["majority"]}},
}


def asked_row(row: dict[str, object]) -> str:
    return json.dumps({name: value for name, value in row.items() if name != "Weather_conditions"})


class Told:
    """A service whose callers send outcomes; what it has answered and heard is written straight into its logs."""

    def __init__(self, folder: Path) -> None:
        self.online = Online(folder, {"log_inputs": True}, **DECLARED)
        self.home = self.online.home
        self.model: Model = find_model(self.home.models, "weather")
        self.journal = Journal(self.home.journal_url)

    def answer(self, *numbers: int) -> None:
        answers = [
            type(logged("x"))(**{**vars(logged(f"{number:032}")), "inputs": asked_row(ROWS[number])})
            for number in numbers
        ]
        self.online.service.log.write("weather", answers, durable=False)

    def hear(self, number: int, outcome: str, at: str = "2026-01-01T00:00:00+00:00") -> None:
        self.online.service.outcomes.write(
            "weather", [LoggedOutcome(f"{number:032}", outcome, at, "crane")], durable=False
        )

    def land(self) -> int:
        self.online.service.ship()
        return land_outcomes(self.home, self.model, self.journal, run=RUN, now=NOW).rows

    def ingest(self) -> pl.DataFrame:
        before = read_table(self.home.dataset_of("weather")).height
        files = list_files(self.home.landing_of("weather"), self.model.source.patterns)
        ingest_batches(self.model, self.home, self.journal, files, RUN, now=NOW, clock=lambda: NOW)
        rows = read_table(self.home.dataset_of("weather")).sort("Timestamp")
        return rows.tail(rows.height - before)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_outcome_lands_with_the_row_that_was_asked_and_is_ingested(told: Told) -> None:
    told.answer(0, 1, 2)
    told.hear(0, "snow")
    told.hear(1, "rain")
    assert told.land() == 2
    rows = told.ingest()
    assert rows["Weather_conditions"].to_list() == ["snow", "rain"]
    assert rows["Humidity"].to_list() == [ROWS[0]["Humidity"], ROWS[1]["Humidity"]]


def test_outcome_lands_once_and_the_first_counts(told: Told) -> None:
    told.answer(0)
    told.hear(0, "snow")
    assert told.land() == 1
    told.hear(0, "rain", at="2026-01-02T00:00:00+00:00")
    assert told.land() == 0


def test_outcome_that_is_shipped_before_its_answer_lands_when_the_answer_is_there(told: Told) -> None:
    told.answer(0)
    told.hear(0, "snow")
    told.hear(1, "rain")
    assert told.land() == 1
    told.answer(1)  # of a process that was killed and is shipped by the next
    assert told.land() == 1
    assert told.ingest()["Weather_conditions"].to_list() == ["snow", "rain"]


def test_outcome_of_a_row_that_lacks_a_needed_column_stays_an_outcome(told: Told) -> None:
    bare = type(logged("x"))(**{**vars(logged(f"{0:032}")), "inputs": '{"Humidity": 0.5}'})
    told.online.service.log.write("weather", [bare], durable=False)
    told.hear(0, "snow")
    assert told.land() == 0


def test_service_lets_outcomes_of_its_callers_land(told: Told) -> None:
    told.online.versions.graphs["1"] = graph_of(told.model)
    told.online.service.refresh()
    row = {name: value for name, value in ROWS[0].items() if name != "Weather_conditions"}
    said = told.online.ask(row).json()["predictions"][0]
    headers = {"Authorization": f"Bearer {told.online.token}"}
    body = {"outcomes": [{"id": said["id"], "outcome": "snow"}]}
    assert told.online.client.post("/v1/models/weather/feedback", json=body, headers=headers).status_code == 202
    told.online.service._shipped_s = float("-inf")
    told.online.service.watch()
    assert told.ingest()["Weather_conditions"].to_list() == ["snow"]


def test_outcomes_of_models_whose_rows_they_cannot_complete_do_not_land(told: Told) -> None:
    def why(section: str, **changes: Any) -> str:
        part = getattr(told.model, section).model_copy(update=changes)
        return why_not_landed(told.model.model_copy(update={section: part}))

    assert why("label") == ""
    assert "label.horizon" in why("label", horizon=told.model.dataset.step)
    assert "serve.log_inputs" in why("serve", log_inputs=False)
    assert "source.patterns take no file" in why("source", patterns=("weather_*.csv",))
    assert "its `values` must be two" in why("label", classes=None, equals="rain")
    assert "serve.log_inputs" in why_not_landed(told.model.model_copy(update={"serve": None}))
