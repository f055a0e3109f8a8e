"""`almanac rollout` and what `almanac promote` does to a model that declares one."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import MODELS_FOLDER, Home
from almanac.journal.journal import Journal
from almanac.journal.rollouts import Rollouts
from tests.security.registry import MemoryRegistry

WHY = ("--reason", "it must be")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryRegistry:
    """Champion 1 and version 2, of a model with a rollout."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    content = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    content |= {"serve": {}, "rollout": {"unit": "Location", "steps": ["20%", "100%"]}}
    (models / "weather.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    found = MemoryRegistry("weather", named={"champion": "1"})
    for number in ("1", "2"):
        found.add(number)
    monkeypatch.setattr("almanac.services.registry_access.open_registry", lambda _: found)
    return found


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return str(done.output)


def test_promote_begins_the_rollout_and_at_once_does_not(registry: MemoryRegistry) -> None:
    assert "the rollout weather/1 of version 2 has begun" in run("promote", "weather@2", *WHY)
    assert registry.named["champion"] == "1"
    assert "version 2 is champion" in run("promote", "weather@2", "--at-once", *WHY)
    assert registry.named["champion"] == "2"


def test_rollout_is_moved_and_shown_with_who_and_why(registry: MemoryRegistry) -> None:
    assert "there was no rollout yet" in run("rollout", "show", "weather")
    run("promote", "weather@2", *WHY)
    assert "is paused, step 0, share 0.0%" in run("rollout", "pause", "weather", *WHY)
    assert "is waiting" in run("rollout", "resume", "weather", *WHY)
    assert "step 1, share 20.0%" in run("rollout", "advance", "weather", *WHY)
    assert "is waiting" in run("rollout", "set-back", "weather", *WHY)
    assert "is falling back" in run("rollout", "abort", "weather", *WHY)
    shown = json.loads(run("rollout", "show", "weather", "--json"))
    assert [one["state"] for one in shown] == ["waiting", "paused", "waiting", "step", "waiting", "falling_back"]
    assert {one["reason"] for one in shown} == {"it must be"}
    assert all(one["run"]["started_by"] for one in shown)
    assert "falling_back" in run("rollout", "show", "weather")
    assert registry.named["champion"] == "1"


def test_rollout_without_a_reason_is_not_moved(registry: MemoryRegistry) -> None:
    run("promote", "weather@2", *WHY)
    assert "at least three characters" in run("rollout", "abort", "weather", "--reason", " x ", code=2)
    assert len(Rollouts(Journal(Home().journal_url)).all("weather")) == 1


def test_advance_by_the_command_line_is_refused_where_four_eyes_are_required(registry: MemoryRegistry) -> None:
    run("promote", "weather@2", *WHY)
    declared = Home().models / "weather.yaml"
    declared.write_text(declared.read_text("utf-8") + "\napproval: {four_eyes: true}\n", "utf-8")
    assert "four eyes are required" in run("rollout", "advance", "weather", *WHY, code=2)
