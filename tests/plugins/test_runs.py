"""What the tasks read out of a run."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.sections.pipelines import Pipeline
from almanac.config.sections.triggers import ScheduleTrigger
from almanac.errors import ConfigError
from almanac_airflow.events import TriggeringEvents as Events
from almanac_airflow.runs import chosen_files, range_param, started_by_hand, training_trigger

FOUND = [{"uri": "s3://bucket/landing/weather/a_2024.csv"}, {"uri": "s3://bucket/landing/weather/sub/b_2024.csv"}]


@pytest.mark.parametrize(
    ("globs", "names"),
    [(None, ["a", "b"]), ([], ["a", "b"]), (["a_*.csv"], ["a"]), (["b_2024.csv", "x"], ["b"]), (["x"], [])],
)
def test_chosen_files_by_name_or_glob(globs: list[str] | None, names: list[str]) -> None:
    assert [file["uri"].rsplit("/", 1)[1][0] for file in chosen_files(FOUND, globs)] == names


def triggered(monkeypatch: pytest.MonkeyPatch, run_type: str, *names: str) -> None:
    events = {name: [SimpleNamespace(asset=SimpleNamespace(name=name), extra={"reason": "drift"})] for name in names}
    run = SimpleNamespace(run_type=SimpleNamespace(value=run_type), partition_key=None)
    context = {"triggering_asset_events": events, "dag_run": run}
    monkeypatch.setattr("almanac_airflow.runs.get_current_context", lambda: context)


@pytest.mark.parametrize(
    ("run_type", "events", "expected"),
    [
        (
            "asset_triggered",
            Events(frozenset({"retrain_request_weather", "dataset_weather"}), {"retrain_request_weather": "drift"}),
            ("retrain_request", "drift"),
        ),
        (
            "asset_triggered",
            Events(frozenset({"dataset_weather"})),
            ("new_data", "triggered by dataset_weather"),
        ),
        (
            "asset_triggered",
            Events(frozenset({"nightly.weather"})),
            ("schedule", "triggered by nightly.weather"),
        ),
        (
            "asset_triggered",
            Events(frozenset({"nightly.weather", "champion_ships"})),
            ("new_data", "triggered by champion_ships, nightly.weather"),
        ),
        ("scheduled", Events(), ("schedule", "the schedule")),
        ("manual", Events(), ("manual", "started by hand, without a reason")),
    ],
)
def test_training_trigger_says_what_triggered_it(
    monkeypatch: pytest.MonkeyPatch, run_type: str, events: Events, expected: tuple[str, str]
) -> None:
    weather = find_model(MODELS_FOLDER, "weather")
    nightly = ScheduleTrigger(kind="schedule", cron=("0 2 * * *",))
    pipelines = {"train": Pipeline(when="retrain_request or (champion and nightly)")}
    model = weather.model_copy(update={"triggers": {"nightly": nightly}, "pipelines": pipelines})
    triggered(monkeypatch, run_type)
    assert training_trigger(model, events, "") == expected


@pytest.mark.parametrize(
    ("run_type", "name", "expected"),
    [
        ("manual", "grace", "grace"),
        ("manual", None, ""),
        ("backfill", "grace", ""),
        ("asset_triggered", "grace", ""),
        ("scheduled", None, ""),
        ("asset_materialization", "grace", ""),
    ],
)
def test_started_by_hand_names_only_who_looked_at_this_run(
    monkeypatch: pytest.MonkeyPatch, run_type: str, name: str | None, expected: str
) -> None:
    run = SimpleNamespace(run_type=SimpleNamespace(value=run_type), triggering_user_name=name)
    monkeypatch.setattr("almanac_airflow.runs.get_current_context", lambda: {"dag_run": run})
    assert started_by_hand() == expected


def test_range_param_a_person_s_range_wins_and_a_time_without_offset_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weather = find_model(MODELS_FOLDER, "weather")
    triggered(monkeypatch, "manual")
    assert range_param(weather, None, None) == (None, None)
    since, until = range_param(weather, "2024-01-01T00:00:00Z", None)
    assert (since, until) == (datetime(2024, 1, 1, tzinfo=UTC), None)
    with pytest.raises(ConfigError, match="a time without an offset"):
        range_param(weather, "2024-01-01T00:00:00", None)
