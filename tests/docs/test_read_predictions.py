"""What `docs/read-predictions.md` prints reads the newest prediction of each row, with each tool alike."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from almanac.journal.records import RunRef
from almanac.scoring.score import score_new_windows
from tests.monitoring.world import NOW, TRAINED_UNTIL, WEATHER, World, hours

PAGE = Path(__file__).parents[2] / "docs" / "read-predictions.md"
DAY = timedelta(days=1)
BLOCKS = {
    section.partition("\n")[0]: re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    for section in PAGE.read_text("utf-8").split("\n## ")
    if "```python" in section
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days scored by version 1, then all five by version 2."""
    root = tmp_path_factory.mktemp("read")
    world = World.at(root / "var")
    world.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL + 5 * DAY))
    run = RunRef("score_weather", "manual__1")

    def score(version: str, until: datetime, now: datetime) -> None:
        world.registry.number = version
        score_new_windows(WEATHER, world.home, world.registry, run=run, now=now, since=TRAINED_UNTIL, until=until)

    score("1", TRAINED_UNTIL + 3 * DAY, NOW)
    score("2", TRAINED_UNTIL + 5 * DAY, NOW + DAY)
    return root


def run_block(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(home)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[name], f"{PAGE.name}: {name}", "exec"), names)  # noqa: S102 - the page is ours
    return names


def test_page_has_a_block_for_each_tool() -> None:
    assert list(BLOCKS) == ["polars", "pandas", "SQL", "DuckDB", "As they were on a day"]


@pytest.mark.parametrize("tool", ["polars", "pandas", "SQL", "DuckDB"])
def test_block_gives_the_newest_prediction_of_each_row(tool: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if tool == "DuckDB":
        pytest.importorskip("duckdb", reason="DuckDB is of requirements-bench.txt")
    newest = run_block(tool, home, monkeypatch)["newest"]
    rows = newest if isinstance(newest, pl.DataFrame) else pl.DataFrame(newest)
    assert rows.height == 3 * 24
    assert rows["time"].n_unique() == 3 * 24
    assert rows["time"].is_sorted()
    assert rows["model_version"].unique().to_list() == ["2"]


def test_block_as_they_were_gives_the_first_scoring(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_block("As they were on a day", home, monkeypatch)["first"]
    assert set(first["model_version"]) == {"1"}
    assert len(first) == 3 * 24
