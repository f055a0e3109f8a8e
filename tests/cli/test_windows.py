"""`almanac windows`: states, gaps, and what to run again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, WindowRecord, WindowState
from tests.windows.conftest import declare

START = datetime(2021, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    declare(tmp_path / "models", "tides", {"size": "1d", "end": (START + 4 * DAY).isoformat()})
    return Home()


def record(home: Home, day: int, state: WindowState) -> None:
    start = START + day * DAY
    run = RunRef("window_tides", "manual__1")
    Journal(home.journal_url).record_window(WindowRecord("tides", start, start + DAY, state, START, run, rows=24))


def windows(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["windows", *arguments], env={"COLUMNS": "160"})
    if isinstance(done.exception, ConfigError):
        raise done.exception
    return done.exit_code, done.output


def test_windows_gaps_and_failures_are_named_with_the_ranges_to_run_again(home: Home) -> None:
    record(home, 0, WindowState.DONE)
    record(home, 2, WindowState.FAILED)
    record(home, 3, WindowState.EMPTY)
    code, output = windows("tides")
    assert code == 1
    assert [line.split("│")[2].strip() for line in output.splitlines() if "2021-01" in line and "│" in line] == [
        "done",
        "gap",
        "failed",
        "empty",
    ]
    assert "from_date 2021-01-02T00:00:00Z  to_date 2021-01-03T00:00:00Z" in output


def test_windows_all_closed_ends_with_zero(home: Home) -> None:
    for day in range(4):
        record(home, day, WindowState.DONE)
    assert windows("tides")[0] == 0


def test_windows_model_without_a_window_says_what_to_declare(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "models" / "tides.yaml"
    path.write_text(path.read_text("utf-8").split("\ntriggers:")[0], "utf-8")
    with pytest.raises(ConfigError, match="no window trigger; expected one of kind window"):
        windows("tides")


def test_windows_with_json_gives_each_window_and_the_same_exit_code(home: Home) -> None:
    record(home, 0, WindowState.DONE)
    code, output = windows("tides", "--json")
    found = json.loads(output)
    assert (code, len(found)) == (1, 4)
    assert [window["is_to_do"] for window in found] == [False, True, True, True]
