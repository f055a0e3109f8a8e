"""Every fault of a declaration says where it stands, what was got, what was expected; in few words."""

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.files.loader import find_model, load_installation, load_models
from almanac.config.files.profile import EnvironmentProfile
from almanac.config.files.validation_errors import MAX_FAULT, known_keys
from almanac.config.home import MODELS_FOLDER
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.display import did_you_mean
from almanac.errors import ConfigError

WRONG = ("zzz", -1.5, [1], {"zz": 1}, None, "y" * 10_000)
Steps = tuple[Any, ...]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("_defaults.yaml", "weather.yaml"):
        shutil.copy(MODELS_FOLDER / name, folder / name)
    return folder


def places(tree: Any, above: Steps = ()) -> Iterator[Steps]:
    """The place of every key and item."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for step, value in items:
        yield (*above, step)
        yield from places(value, (*above, step))


def changed(tree: Any, steps: Steps, value: object, key: str = "") -> Any:
    """The tree with another value at a place, or with another key."""
    tree = deepcopy(tree)
    node = tree
    for step in steps[:-1]:
        node = node[step]
    if key:
        node[key] = node.pop(steps[-1])
    else:
        node[steps[-1]] = value
    return tree


def problems_of(models: Path, tree: Any) -> list[str]:
    """What is said of a declaration, line by line."""
    (models / "weather.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")
    return [line for problem in load_models(models).problems for line in problem.splitlines()]


def test_every_value_that_is_wrong_is_reported_with_its_line_and_in_few_words(models: Path) -> None:
    tree = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    count = 0
    for number, steps in enumerate([*places(tree)][::3]):  # all values at all places take a minute
        for line in problems_of(models, changed(tree, steps, WRONG[number % len(WRONG)])):
            count += 1
            assert "weather.yaml: " in line
            assert "(line " in line, line
            assert len(line) < MAX_FAULT + 300, line
            assert "Input should be" not in line
    assert count > 30


def test_every_key_that_is_mistyped_is_reported_with_the_one_that_was_meant(models: Path) -> None:
    tree = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    count = 0
    for steps in [*places(tree)][::2]:
        key = steps[-1]
        if isinstance(key, str) and len(key) > 4:
            wrong = f"{key[:-2]}{key[-1]}{key[-2]}"
            found = [line for line in problems_of(models, changed(tree, steps, None, wrong)) if "unknown key" in line]
            count += len(found)
            assert all(f"{wrong}: unknown key (did you mean '{key}'?)" in line for line in found), found
    assert count > 15


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            "horizon: 4h",
            "horizon: 4 hours",
            "label.horizon: not a duration; got '4 hours', expected a number",
        ),
        ("metric: f1_macro", "metric: f1_makro", "got 'f1_makro', expected 'accuracy', "),
        ("metric: f1_macro", "metric: f1_makro", "(did you mean 'f1_macro'?)"),
        ("by: season", "by: saeson", "gates.segments.by: got 'saeson', expected one of ['season'"),
        ("  triggers:", "  trigers:", "train.trigers: unknown key (did you mean 'triggers'?) (line "),
    ],
)
def test_fault_names_key_value_and_what_was_expected(models: Path, good: str, bad: str, said: str) -> None:
    text = (models / "weather.yaml").read_text("utf-8")
    assert good in text
    number = text[: text.index(good)].count("\n") + 1
    (models / "weather.yaml").write_text(text.replace(good, bad, 1), "utf-8")

    (problem,) = load_models(models).problems
    assert said in problem
    assert f"(line {number} of weather.yaml)" in problem


def test_fault_of_the_defaults_names_their_file(models: Path) -> None:
    text = (models / "_defaults.yaml").read_text("utf-8")
    (models / "_defaults.yaml").write_text(text.replace("alerts:", "alerts:\n  chanels: 7", 1), "utf-8")
    number = text[: text.index("alerts:")].count("\n") + 2

    (problem,) = load_models(models).problems
    assert f"alerts.chanels: unknown key (did you mean 'channels'?) (line {number} of _defaults.yaml)" in problem


def test_fault_of_the_model_as_a_whole_does_not_print_the_model(models: Path) -> None:
    text = (models / "weather.yaml").read_text("utf-8")
    (models / "weather.yaml").write_text(text.replace("label:\n", "label:\n  # here\n", 1), "utf-8")
    tree = yaml.safe_load(text)
    tree["label"]["column"] = "Rain"

    (problem,) = problems_of(models, tree)
    assert "label must name a declared column; got 'Rain'" in problem
    assert "a mapping of" not in problem
    assert len(problem) < 700


def test_many_faults_are_reported_in_few_lines(models: Path) -> None:
    tree = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    tree["dataset"] |= {f"key{number}": "x" * 500 for number in range(500)}

    found = problems_of(models, tree)
    assert len(found) == 20
    assert "and 481 more" in found[-1]
    assert sum(map(len, found)) < 20_000


def test_fault_of_the_installation_and_of_a_profile_have_lines_too(models: Path) -> None:
    (models / "_installation.yaml").write_text("owner: me\nbackup:\n  wokers: 2\n", "utf-8")
    with pytest.raises(ConfigError, match=r"backup\.wokers: unknown key \(did you mean 'workers'\?\) \(line 3\)"):
        load_installation(models)
    (models / "_profile.yaml").write_text("over: x\nplaces:\n  landnig: /x\n", "utf-8")
    with pytest.raises(ConfigError, match=r"places\.landnig: unknown key \(did you mean 'landing'\?\) \(line 3\)"):
        load_installation(models)


def test_overlay_key_and_model_that_are_mistyped_are_reported_with_the_near_one(models: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "_profile.yaml").write_text(f"over: {models}\n", "utf-8")
    (profile / "weather.yaml").write_text("promotoin: approve\n", "utf-8")
    with pytest.raises(ConfigError, match=r"promotoin: not allowed in a profile.*\(did you mean 'promotion'\?\)"):
        find_model(profile, "weather")
    with pytest.raises(ConfigError, match=r"no model 'wether'; declared are .*did you mean 'weather'\?\)"):
        find_model(models, "wether")


def test_trigger_of_another_model_is_reported_with_its_line_and_the_near_name(models: Path) -> None:
    text = (models / "weather.yaml").read_text("utf-8")
    lines = text.count("\n") + 1
    more = "triggers:\n  tides:\n    kind: dependency\n    model: wether\npipelines: {train: {when: tides}}\n"
    (models / "weather.yaml").write_text(f"{text.rstrip()}\n{more}", "utf-8")

    (problem,) = load_models(models).problems
    assert "triggers.tides.model: " in problem
    assert f"no model 'wether'; declared are ['weather'] (did you mean 'weather'?) (line {lines + 3} of" in problem


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ((), "dataset"),
        (("train", "triggers"), "schedule"),
        (("source",), "poll"),
        (("features", 0), "column"),
        (("dataset", "columns", "x"), "unit"),
        (("alerts", "channels", "me"), "connection"),
        (("monitor", "actions"), "drift"),
        (("backup", "keep", "dataset"), "within"),
    ],
)
def test_known_keys_of_every_section_are_those_of_the_schema(steps: Steps, key: str) -> None:
    assert key in known_keys(Model, steps)


def test_known_keys_of_the_other_files_are_theirs() -> None:
    assert "workers" in known_keys(Installation, ("backup",))
    assert "landing" in known_keys(EnvironmentProfile, ("places",))


def test_did_you_mean_says_nothing_when_nothing_is_near() -> None:
    assert did_you_mean("colour", ["schedule", "policy"]) == ""
    assert did_you_mean("Schedul", ["schedule", "policy"]) == " (did you mean 'schedule'?)"
    assert did_you_mean("x" * 100_000, ["schedule"]) == ""
