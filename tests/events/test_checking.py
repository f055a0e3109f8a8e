"""Posted events: accepted or refused, and always written down."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.errors import DataError
from almanac.events.checking import PostedEvent, check_event, raise_refusals
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, RunRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunRef("event_weather", "asset_triggered__1")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    tides = {"kind": "event", "payload": {"height_m": {"type": "number", "min": -3, "max": 3}}}
    declared = {**weather, "triggers": {"tides": tides}, "pipelines": {"ingest": {"when": "arrival or tides"}}}
    (tmp_path / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    (tmp_path / "weather.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    return load_model(tmp_path / "weather.yaml")


@pytest.mark.parametrize(
    ("trigger", "payload", "accepted", "reason"),
    [
        ("tides", {"height_m": 1.2}, True, "the payload is as declared"),
        ("tides", {"height_m": 9}, False, "height_m: out of range; got 9, expected -3.0 to 3.0"),
        ("tides", {}, False, "height_m: missing"),
        ("storms", {}, False, "no event trigger 'storms' is declared"),
    ],
)
def test_check_event_decides_and_records(
    model: Model, tmp_path: Path, trigger: str, payload: dict[str, object], accepted: bool, reason: str
) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    decision = check_event(model, journal, PostedEvent(trigger, payload), run=RUN, now=NOW, cause="event 1")
    assert (decision.accepted, decision.reasons) == (accepted, (reason,))
    assert journal.decisions("weather", DecisionKind.EVENT) == [decision]


def test_raise_refusals_names_each_fault_and_what_came() -> None:
    raise_refusals("weather", [])
    refused = {"trigger": "tides", "payload": {"height_m": 9}, "reasons": "height_m: out of range"}
    with pytest.raises(DataError, match=r'event tides: refused: height_m: out of range; got \{"height_m": 9\}'):
        raise_refusals("weather", [refused])
