from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from include.data.delta_table import ConcurrentCommitError
from include.errors import ConfigError
from include.features.features import build_features
from include.journal.records import RunRef
from include.registry.onnx_model import predict_onnx
from include.scoring import predictions
from include.scoring.predictions import PredictionTable
from include.scoring.score import ScoreSummary, score_new_windows
from tests.monitoring.world import HOUR, NOW, TRAINED_UNTIL, WEATHER, World, champion_files, hours

RUN = RunRef("score_weather", "manual__1")
DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.at(tmp_path)
    world.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL + 5 * DAY))
    return world


def score(world: World, since: datetime | None = None, until: datetime | None = None) -> ScoreSummary:
    return score_new_windows(WEATHER, world.home, world.registry, run=RUN, now=NOW, since=since, until=until)


def test_score_without_champion_says_so_and_writes_nothing(world: World) -> None:
    world.registry.number = None
    summary = score(world)
    assert summary.message == "no champion yet: nothing to score with"
    assert summary.rows == 0
    assert PredictionTable.of(world.home, WEATHER).version() == -1


def test_score_new_hours_are_those_after_the_champions_rows(world: World) -> None:
    summary = score(world)
    rows = world.predictions().sort("time")
    assert (summary.rows, summary.windows, summary.model_version) == (120, 5, "1")
    assert rows["time"][0] == TRAINED_UNTIL
    assert rows["time"].n_unique() == rows.height == 120
    assert rows["scored_at"].unique().to_list() == [NOW]
    assert (summary.since, summary.until) == ("2024-01-01T00:00:00Z", "2024-01-06T00:00:00Z")


def test_score_probabilities_are_the_graphs_with_history_before_the_window(world: World) -> None:
    score(world)
    matrix = build_features(WEATHER, world.dataset.read())
    expected = predict_onnx(champion_files()[0], matrix.values)[48:]
    rows = world.predictions().sort("time")
    assert rows["probability"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert rows["label"].to_list() == (expected >= 0.5).astype(int).tolist()
    assert np.isfinite(expected).all()


def test_score_again_finds_nothing_new(world: World) -> None:
    score(world)
    summary = score(world)
    assert (summary.message, summary.rows) == ("nothing new to score", 0)
    assert PredictionTable.of(world.home, WEATHER).version() == 0


def test_score_grown_window_is_scored_again_whole(world: World) -> None:
    world.publish(hours(TRAINED_UNTIL + 5 * DAY, TRAINED_UNTIL + 5 * DAY + 6 * HOUR))
    assert score(world).rows == 126
    world.publish(hours(TRAINED_UNTIL + 5 * DAY + 6 * HOUR, TRAINED_UNTIL + 7 * DAY))
    summary = score(world)
    assert (summary.rows, summary.windows) == (48, 2)
    rows = world.predictions()
    assert rows["time"].n_unique() == rows.height == 7 * 24
    assert rows.filter(pl.col("_window") == "2024-01-06T00:00:00Z")["dataset_version"].unique().to_list() == [2]


def test_score_given_range_replaces_exactly_its_rows(world: World) -> None:
    score(world)
    before = world.predictions().sort("time")
    summary = score(world, TRAINED_UNTIL + DAY, TRAINED_UNTIL + 3 * DAY)
    assert (summary.rows, summary.windows, summary.predictions_version) == (48, 2, 1)
    assert world.predictions().sort("time").equals(before)


def test_score_given_range_is_widened_to_whole_windows(world: World) -> None:
    assert score(world, TRAINED_UNTIL + 30 * HOUR, TRAINED_UNTIL + 31 * HOUR).rows == 24


def test_score_new_champion_does_not_touch_the_old_ones_rows(world: World) -> None:
    score(world)
    world.registry.number = "2"
    score(world)
    assert dict(world.predictions()["model_version"].value_counts().iter_rows()) == {"1": 120, "2": 120}


def test_score_missing_hours_are_no_fault(world: World) -> None:
    later = hours(TRAINED_UNTIL + 5 * DAY, TRAINED_UNTIL + 6 * DAY)
    world.publish(later.gather_every(2))
    score(world)
    assert world.predictions().filter(pl.col("time") >= TRAINED_UNTIL + 5 * DAY)["probability"].is_nan().sum() == 0


def test_score_range_without_rows_writes_nothing(world: World) -> None:
    assert score(world, TRAINED_UNTIL + 90 * DAY).message == "nothing new to score"


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        (datetime(2024, 1, 2), None, "without a zone"),  # noqa: DTZ001
        (TRAINED_UNTIL, TRAINED_UNTIL, "is not before until"),
    ],
)
def test_score_wrong_range_raises(world: World, since: datetime, until: datetime | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        score(world, since, until)


def test_score_loser_of_a_race_looks_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the commit of one run, another one scores the same hours."""

    def raced(*_: object, **__: object) -> int:
        monkeypatch.undo()
        score(world)
        raise ConcurrentCommitError("version 0 was committed meanwhile")

    monkeypatch.setattr(PredictionTable, "replace", raced)
    assert score(world).message == "nothing new to score"
    rows = world.predictions()
    assert rows["time"].n_unique() == rows.height == 120


@pytest.mark.parametrize("first", [True, False])
def test_replace_after_another_commit_raises(world: World, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    table, really = PredictionTable.of(world.home, WEATHER), predictions.open_table
    if not first:
        score(world)
    seen = [really(table.uri)]
    score(world, TRAINED_UNTIL, TRAINED_UNTIL + DAY)
    rows = world.predictions()
    monkeypatch.setattr(predictions, "open_table", lambda uri: seen.pop() if seen else really(uri))
    with pytest.raises(ConcurrentCommitError, match="was committed meanwhile"):
        table.replace(rows, "1", [TRAINED_UNTIL], metadata={})
    assert world.predictions().equals(rows)
