"""Declared triggers: each refusal says where and why; the effective rule is said in words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.files.loader import load_model, load_models
from almanac.config.grammar.payload import PayloadField, payload_problems
from almanac.config.grammar.rules import Combined, Named, alternatives, conjoined, parse_rule
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.pipelines import schedule_names, words
from almanac.errors import ConfigError

WEATHER = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
DEFAULTS = (MODELS_FOLDER / "_defaults.yaml").read_text("utf-8")
NIGHTLY = {"kind": "schedule", "cron": "0 2 * * *", "timezone": "Europe/Helsinki"}
TIDES = {"kind": "event", "payload": {"station": {"type": "string"}}}
WINDOW = {"kind": "window", "size": "1d", "start": "2026-01-01T00:00:00Z"}


def write(folder: Path, name: str, triggers: dict[str, Any], pipelines: dict[str, Any]) -> Path:
    (folder / "_defaults.yaml").write_text(DEFAULTS, "utf-8")
    path = folder / f"{name}.yaml"
    declared = {**WEATHER, "triggers": triggers, "pipelines": pipelines}
    path.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True), "utf-8")
    return path


def load(folder: Path, triggers: dict[str, Any], pipelines: dict[str, Any]) -> Model:
    return load_model(write(folder, "tides", triggers, pipelines))


def scheduled(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"nightly": {"kind": "schedule", **fields}}, {"ingest": {"when": "arrival or nightly"}}


REFUSED = {
    "no rule": ({}, {"ingest": {"when": "arrival unless sunday"}}, "pipelines.ingest.when: not a rule; got 'arrival"),
    "not": ({}, {"ingest": {"when": "not arrival"}}, "not a rule; got 'not arrival'"),
    "call": ({}, {"ingest": {"when": "__import__('os')"}}, "not a rule"),
    "empty rule": ({}, {"ingest": {"when": ""}}, "not a rule; got ''"),
    "unknown name": ({}, {"ingest": {"when": "arival"}}, r"unknown triggers; got \['arival'\], expected some of"),
    "no own schedule": ({}, {"score": {"when": "schedule"}}, r"score.when: unknown triggers; got \['schedule'\]"),
    "unknown pipeline": ({}, {"ingset": {"when": "arrival"}}, "pipelines.ingset"),
    "never rests": ({}, {"train": {"when": "champion"}}, "'champion' is what train itself causes"),
    "own and": ({}, {"ingest": {"when": "arrival and schedule"}}, "'schedule' cannot be combined by 'and'"),
    "idle": ({"nightly": NIGHTLY}, {}, r"no pipeline's `when` names \['nightly'\]"),
    "built-in name": ({"arrival": NIGHTLY}, {"ingest": {"when": "arrival"}}, r"names are built in; got \['arrival'\]"),
    "two windows": ({"daily": WINDOW, "weekly": WINDOW}, {}, r"one window trigger per model;.*\['daily', 'weekly'\]"),
    "window and": ({"daily": WINDOW}, {"score": {"when": "daily or champion"}}, "a window trigger cannot be combined"),
    "window triggers ingest": ({"daily": WINDOW}, {"ingest": {"when": "daily"}}, "cannot trigger ingest"),
    "window size": ({"daily": {**WINDOW, "size": "0s"}}, {}, "size must be longer than 0s"),
    "window offset": ({"daily": {**WINDOW, "offset": "1d"}}, {}, "offset must be shorter than size"),
    "window start": ({"daily": {**WINDOW, "start": "2026-01-01T00:00:00"}}, {}, "triggers.daily.start: "),
    "window end": ({"daily": {**WINDOW, "end": "2025-01-01T00:00:00Z"}}, {}, "start must be before end"),
    "kind": ({"x": {"kind": "moon"}}, {"ingest": {"when": "x"}}, "triggers.x"),
    "both paces": (*scheduled(cron="0 2 * * *", every="1d"), "give either cron or every"),
    "no pace": (*scheduled(), "give either cron or every"),
    "cron": (*scheduled(cron="dayly"), "triggers.nightly.cron: not a cron expression; got 'dayly'"),
    "every": (*scheduled(every="fortnight"), "not an interval; got 'fortnight'"),
    "zone": (*scheduled(every="1d", timezone="Helsinki"), "not a time zone; got 'Helsinki'"),
    "offset": (*scheduled(every="1d", start="2026-01-01T00:00:00Z"), "a wall-clock time has no offset"),
    "start": (*scheduled(every="1d", start="2026-02-01", end="2026-01-01"), "start must be before end"),
    "span": (*scheduled(every="1d", not_between="day"), "not a time span; got 'day'"),
    "never": (*scheduled(cron="0 12 * * *", not_between="07:00-19:00"), "never ticks; got by cron `0 12"),
    "never a date": (*scheduled(cron="0 0 31 2 *"), "never ticks"),
    "key": (*scheduled(every="1d", tz="UTC"), "triggers.nightly.tz: unknown key"),
    "pool priority": ({}, {"train": {"priority": 0}}, "pipelines.train.priority"),
    "payload type": (
        {"t": {"kind": "event", "payload": {"n": {"type": "string", "min": 1}}}},
        {"ingest": {"when": "t"}},
        "min and max need type number or integer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_load_model_impossible_triggers_are_refused(tmp_path: Path, case: str) -> None:
    triggers, pipelines, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, triggers, pipelines)


def test_words_combined_rule_reads_as_a_person_would_say_it(tmp_path: Path) -> None:
    model = load(tmp_path, {"nightly": NIGHTLY, "tides": TIDES}, {"ingest": {"when": "arrival or (tides and nightly)"}})
    assert words(model, "ingest") == (
        "when new files have settled in the landing area or (an event was posted with station and the schedule is due,"
        " by cron `0 2 * * *` (Europe/Helsinki), each since the last run)"
    )
    assert schedule_names(model) == ("nightly",)


def test_words_without_declaration_say_the_built_in_rule(tmp_path: Path) -> None:
    model = load(tmp_path, {}, {})
    assert words(model, "ingest").endswith("or the schedule is due, by cron `*/10 * * * *` (UTC)")
    assert words(model, "score") == "when the dataset has a new version or another version has become champion"


def test_load_models_dependency_on_nobody_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    waits = {"kind": "dependency", "model": "nobody", "on": "champion"}
    write(tmp_path, "tides", {"theirs": waits}, {"train": {"when": "theirs"}})
    write(tmp_path, "weather", {}, {})
    loaded = load_models(tmp_path)
    assert [model.name for model in loaded.models] == ["weather"]
    assert "triggers.theirs.model: no model 'nobody'; declared are ['tides', 'weather']" in loaded.problems[0]


def test_load_models_dependency_on_a_broken_neighbour_stays(tmp_path: Path) -> None:
    write(tmp_path, "tides", {"theirs": {"kind": "dependency", "model": "weather"}}, {"train": {"when": "theirs"}})
    (tmp_path / "weather.yaml").write_text("title: only", "utf-8")
    assert [model.name for model in load_models(tmp_path).models] == ["tides"]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({}, "no model 'weather'"),
        ({"weather": {}}, "weather declares no window trigger"),
        ({"weather": {"daily": {**WINDOW, "depends_on": ["tides"]}}}, "tides would wait for itself"),
    ],
)
def test_load_models_window_waits_for_what_there_is_not(tmp_path: Path, others: dict[str, Any], message: str) -> None:
    write(tmp_path, "tides", {"daily": {**WINDOW, "depends_on": ["weather"]}}, {})
    for name, triggers in others.items():
        write(tmp_path, name, triggers, {})
    loaded = load_models(tmp_path)
    assert "tides" not in [model.name for model in loaded.models]
    assert any(message in problem for problem in loaded.problems)


def test_parse_rule_precedence_is_that_of_python() -> None:
    rule = parse_rule("a or b and c")
    assert rule == Combined("or", (Named("a"), Combined("and", (Named("b"), Named("c")))))
    assert conjoined(rule) == {"b", "c"}
    assert alternatives(parse_rule("a or (b or c)")) == (Named("a"), Named("b"), Named("c"))


PAYLOAD = {
    "station": PayloadField(type="string", values=("hamina", "hanko")),
    "height_m": PayloadField(type="number", min=-3, max=3),
    "at": PayloadField(type="timestamp", required=False),
    "count": PayloadField(type="integer", required=False),
}
GOOD = {"station": "hamina", "height_m": 1, "at": "2026-01-01T00:00:00Z"}


def test_payload_faults_good_payload_has_none() -> None:
    assert payload_problems(PAYLOAD, GOOD) == ()
    assert payload_problems({}, {}) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"station": "turku"}, r"station: not allowed; got 'turku', expected one of \['hamina', 'hanko'\]"),
        ({"station": 5}, "station: not a string; got 5"),
        ({"station": None}, "station: not a string; got None"),
        ({"height_m": "1"}, "height_m: not a number; got '1'"),
        ({"height_m": 4}, "height_m: out of range; got 4"),
        ({"height_m": float("nan")}, "height_m: out of range; got nan"),
        ({"height_m": True}, "height_m: not a number; got True"),
        ({"at": "yesterday"}, "at: not a timestamp; got 'yesterday'"),
        ({"at": "2026-01-01T00:00:00"}, "at: a timestamp without an offset"),
        ({"at": "2" * 300}, "at: longer than 200 characters; got 300"),
        ({"count": 1.0}, "count: not a integer; got 1.0"),
        ({"colour": "blue"}, "colour: unknown field; declared are"),
    ],
)
def test_payload_faults_each_fault_is_named(change: dict[str, Any], message: str) -> None:
    (fault,) = payload_problems(PAYLOAD, {**GOOD, **change})
    assert re.match(message, fault)


def test_payload_faults_missing_fields_are_all_named() -> None:
    assert payload_problems(PAYLOAD, {}) == ("station: missing", "height_m: missing")


def test_words_fetched_source_is_not_triggered_by_what_it_lands_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "tides", {}, {})
    declared = yaml.safe_load(path.read_text("utf-8")) | {"source": {"kind": "http", "connection": "port_api"}}
    path.write_text(yaml.safe_dump(declared), "utf-8")
    assert words(load_model(path), "ingest") == "when the schedule is due, by cron `*/10 * * * *` (UTC)"
