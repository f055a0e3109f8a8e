"""`dataset: {of: other}`: the owner's sections, and a message for everything that a sharing model may not say."""

from pathlib import Path

import pytest
import yaml

from almanac.backup.retention.protected import models_sharing, retire
from almanac.config.files.declaration_cache import DeclarationCache
from almanac.config.files.loader import _own, find_declared, find_model, load_models
from almanac.config.home import MODELS_FOLDER, Home
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, RunRef
from tests.forecast.shop import MODEL
from tests.training.conftest import NOW

WEATHER = (MODELS_FOLDER / "weather.yaml").read_text("utf-8")
SNOW = "snow"
JOIN = {"model": "weather", "time": "Timestamp", "columns": {"Humidity": "float"}, "tolerance": "3h"}


def snow(**changed: object) -> str:
    """The weather's declaration with another label, on the weather's dataset."""
    tree = yaml.safe_load(WEATHER) | {"dataset": {"of": "weather"}} | changed
    tree["label"] = {"name": "snow_in_4h", "column": "Weather_conditions", "equals": "snow", "horizon": "4h"}
    for name in ("source", "maintenance", "triggers", "pipelines"):
        if name not in changed:
            tree.pop(name, None)
    return yaml.safe_dump(tree, allow_unicode=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    (models / "weather.yaml").write_text(WEATHER, "utf-8")
    (models / "snow.yaml").write_text(snow(), "utf-8")
    return models


def problem_of(folder: Path, text: str) -> str:
    (folder / "snow.yaml").write_text(text, "utf-8")
    loaded = load_models(folder)
    assert [model.name for model in loaded.models] == ["weather"]  # whatever is wrong with one, the others are there
    return " ".join(loaded.problems)


def test_sharing_model_has_the_owners_dataset_and_source(folder: Path) -> None:
    owner, found = find_model(folder, "weather"), find_model(folder, SNOW)
    assert found.dataset == owner.dataset.model_copy(update={"of": "weather"})
    assert (found.source, found.maintenance) == (owner.source, owner.maintenance)
    assert (found.dataset_owner, found.is_owner, owner.dataset_owner, owner.is_owner) == (
        "weather",
        False,
        "weather",
        True,
    )
    assert "ingest" in owner.pipeline_kinds
    assert found.pipeline_kinds == ("train", "score", "monitor")
    assert load_models(folder).problems == ()


REFUSED = {
    "unknown owner": ({"dataset": {"of": "wether"}}, "dataset.of: no model 'wether'.*did you mean 'weather'"),
    "itself": ({"dataset": {"of": "snow"}}, "dataset.of: got the model itself"),
    "own keys": (
        {"dataset": {"of": "weather", "step": "2h"}},
        "dataset.step: the dataset is that of weather.*Change it in weather.yaml",
    ),
    "own source": ({"source": {"poll": "3s"}}, "source: the dataset is that of weather"),
    "own maintenance": ({"maintenance": {"keep_for": "9d"}}, "maintenance: the dataset is that of weather"),
    "own ingest": ({"pipelines": {"ingest": {"enabled": False}}}, r"pipelines: got \['ingest'\], expected some of"),
    "own files": (
        {
            "triggers": {"manifest": {"kind": "arrival", "patterns": ["*.ok"]}},
            "pipelines": {"train": {"when": "manifest"}},
        },
        r"files land for weather, whose dataset this is; got \['manifest'\]",
    ),
    "arrival": ({"pipelines": {"train": {"when": "arrival"}}}, r"unknown triggers; got \['arrival'\]"),
    "join of the dataset": (
        {"joins": {"now": JOIN}},
        "the dataset of weather cannot be joined to itself",
    ),
    "label": ({"dataset": {"of": "weather"}, "features": [{"column": "Humidty"}]}, r"got \['Humidty'\], declared"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_sharing_model_may_not_say_is_refused_with_words(folder: Path, case: str) -> None:
    changed, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        raise ConfigError(problem_of(folder, snow(**changed)))


def test_chain_names_the_first_owner(folder: Path) -> None:
    (folder / "sleet.yaml").write_text(snow(dataset={"of": SNOW}), "utf-8")
    loaded = load_models(folder)
    assert [model.name for model in loaded.models] == [SNOW, "weather"]
    (problem,) = loaded.problems
    assert "sleet.yaml: dataset.of: snow has no dataset of its own; got 'snow', expected 'weather'" in problem


def test_owners_that_name_each_other_end_in_a_message(folder: Path) -> None:
    (folder / "weather.yaml").write_text(snow(dataset={"of": SNOW}), "utf-8")
    problems = load_models(folder).problems
    assert [("has no dataset of its own" in problem) for problem in problems] == [True, True]


def test_broken_owner_is_named(folder: Path) -> None:
    (folder / "weather.yaml").write_text("title: [", "utf-8")
    with pytest.raises(ConfigError, match=r"snow\.yaml: dataset\.of: weather cannot be read: .*not YAML"):
        find_model(folder, SNOW)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {
                "triggers": {"new": {"kind": "dependency", "model": SNOW, "on": "dataset"}},
                "pipelines": {"monitor": {"when": "new"}},
            },
            r"triggers\.new\.model: snow has no dataset of its own; got 'snow', expected 'weather'",
        ),
        (
            {"joins": {"other": JOIN | {"model": SNOW}}},
            r"joins\.other\.model: snow has no dataset of its own; expected 'weather'",
        ),
    ],
)
def test_others_that_wait_for_a_shared_dataset_must_name_its_owner(folder: Path, more: dict, message: str) -> None:
    tree = yaml.safe_load(WEATHER) | more
    (folder / "port.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")
    loaded = load_models(folder)
    with pytest.raises(ConfigError, match=message):
        raise ConfigError(" ".join(loaded.problems))


def test_profile_says_what_it_may_of_the_owner_for_both(folder: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "_profile.yaml").write_text("over: ../models", "utf-8")
    (staging / "weather.yaml").write_text("source: {poll: 7s}", "utf-8")
    assert find_model(staging, SNOW).source.poll.total_seconds() == 7
    (staging / "snow.yaml").write_text("source: {poll: 9s}", "utf-8")
    with pytest.raises(ConfigError, match=r"staging/snow\.yaml: source: the dataset is that of weather"):
        find_model(staging, SNOW)


def test_defaults_of_tables_without_a_time_are_for_those_that_share_one_too(folder: Path) -> None:
    (folder / "_defaults.yaml").write_text("arrival: {enabled: false}\n", "utf-8")
    owner = yaml.safe_load(WEATHER)
    owner["dataset"] |= {"time": "arrival"}
    (folder / "weather.yaml").write_text(yaml.safe_dump(owner, allow_unicode=True), "utf-8")
    assert _own(folder / "snow.yaml")["enabled"] is False


def test_forecast_may_share_and_be_shared(folder: Path) -> None:
    (folder / "sales.yaml").write_text(yaml.safe_dump(MODEL), "utf-8")
    ahead = {name: part for name, part in MODEL.items() if name != "source"}
    (folder / "ahead.yaml").write_text(yaml.safe_dump(ahead | {"dataset": {"of": "sales"}}), "utf-8")
    found = find_declared(folder, "ahead")
    assert (found.dataset_owner, found.pipeline_kinds) == ("sales", ("forecast",))


def test_cache_reads_a_sharing_model_again_when_its_owner_changes(folder: Path) -> None:
    cache = DeclarationCache()
    before = {model.name: model for model in cache.load(folder).models}
    (folder / "weather.yaml").write_text(WEATHER.replace("max: 1085", "max: 1090"), "utf-8")
    after = {model.name: model for model in cache.load(folder).models}
    (folder / "port.yaml").write_text(WEATHER, "utf-8")
    assert {model.name: model for model in cache.load(folder).models}[SNOW] is after[
        SNOW
    ]  # neither of its files changed
    assert before[SNOW].dataset.columns != after[SNOW].dataset.columns == after["weather"].dataset.columns


def test_parsing_for_one_dag_reads_the_owner_too(folder: Path) -> None:
    loaded = load_models(folder, of_dag="train_snow")
    assert [(model.name, model.dataset_owner) for model in loaded.models] == [(SNOW, "weather")]


@pytest.fixture
def orphaned(folder: Path, tmp_path: Path) -> Home:
    """The owner's file is gone, and its batches are in the journal."""
    home = Home(home=tmp_path / "home", models=folder)
    Journal(home.journal_url).record_batch(
        BatchRecord(
            *("weather", "b" * 64, "a.csv", 10, NOW, BatchState.PUBLISHED, 1, 1, 0, 0, NOW),
            RunRef("ingest_weather", "1"),
        )
    )
    (folder / "weather.yaml").unlink()
    return home


def test_owner_cannot_be_retired_while_others_share_its_dataset(orphaned: Home) -> None:
    journal, by = Journal(orphaned.journal_url), {"run": RunRef("retire", "1"), "now": NOW, "reason": "a test"}
    assert models_sharing(orphaned, "weather") == (SNOW,)
    with pytest.raises(ConfigError, match=r"weather: its dataset is shared by snow.*put weather\.yaml back"):
        retire(orphaned, journal, "weather", **by)
    (orphaned.models / "snow.yaml").unlink()
    retire(orphaned, journal, "weather", **by)
