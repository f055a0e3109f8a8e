import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, ["scoring", *words])


def test_scoring_stop_status_resume(call) -> None:
    assert call("status", "weather").stdout == "weather: scoring is on\n"
    assert call("stop", "weather", "--reason", "sensor is dead").stdout == "weather: scoring stopped\n"
    again = call("stop", "weather", "--reason", "sensor is dead")
    assert again.stdout == "weather: nothing to do, scoring was already stopped\n"
    status = call("status", "weather")
    assert status.exit_code == 1
    assert "sensor is dead" in status.stdout
    told = json.loads(call("status", "weather", "--json").stdout)
    assert (told["on"], told["stopped"]["reasons"]) == (False, ["sensor is dead"])
    assert call("resume", "weather", "--reason", "mended").stdout == "weather: scoring resumed\n"
    assert call("status", "weather").exit_code == 0


def test_scoring_stop_without_a_reason_is_refused(call) -> None:
    assert call("stop", "weather").exit_code == 2
