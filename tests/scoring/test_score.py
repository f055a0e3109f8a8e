from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import ConcurrentCommitError
from almanac.errors import ConfigError, IntegrityError, TransientError
from almanac.features.features import build_features, feature_columns
from almanac.journal.records import RunRef
from almanac.registry import files
from almanac.registry.onnx_model import predict_onnx
from almanac.registry.records import ModelVersion
from almanac.scoring import predictions
from almanac.scoring.fingerprint import hash_features
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import ScoreSummary, score_new_windows
from tests.monitoring.world import HOUR, NOW, TRAINED_UNTIL, WEATHER, World, champion_files, changed, hours

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
    assert summary.message == "no champion yet: no model to score with"
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
    before = world.predictions().sort("time").drop("latency_us")
    summary = score(world, TRAINED_UNTIL + DAY, TRAINED_UNTIL + 3 * DAY)
    assert (summary.rows, summary.windows, summary.predictions_version) == (48, 2, 1)
    assert world.predictions().sort("time").drop("latency_us").equals(before)


def test_score_given_range_is_widened_to_whole_windows(world: World) -> None:
    assert score(world, TRAINED_UNTIL + 30 * HOUR, TRAINED_UNTIL + 31 * HOUR).rows == 24


def test_score_new_champion_does_not_touch_the_old_ones_rows(world: World) -> None:
    score(world)
    world.registry.number = "2"
    score(world)
    assert dict(world.predictions()["model_version"].value_counts().iter_rows()) == {"1": 120, "2": 120}


def test_score_rows_say_what_they_are(world: World) -> None:
    score(world)
    first = world.predictions().sort("time").row(0, named=True)
    assert first["id"] == "weather/2024-01-01T00:00:00Z/1"
    assert PredictionId.parse(first["id"]) == PredictionId("weather", TRAINED_UNTIL, "1")
    matrix = build_features(WEATHER, world.dataset.read())
    assert first["features_hash"] == hash_features(matrix.values)[48]
    assert first["latency_us"] > 0
    assert first["missing"] is None
    assert (first["_day"], first["_window"]) == ("2024-01-01", "2024-01-01T00:00:00Z")


def test_score_corrected_rows_are_scored_again_though_their_number_is_the_same(world: World) -> None:
    score(world)
    before = world.predictions().sort("time")
    at = pl.col("Timestamp") == TRAINED_UNTIL + 30 * HOUR
    kept = world.dataset.read().filter(at).with_columns(Humidity=pl.lit(0.99))
    replaced = world.dataset.read(columns=["_month", "_batch", "_row", "Timestamp"]).filter(at).drop("Timestamp")
    world.replace(kept, replaced)
    assert score(world).windows == 2  # its day, and the next one, whose first hours look back to that day
    after = world.predictions().sort("time")
    assert after.height == before.height
    changed = after.filter(after["probability"] != before["probability"])["time"].to_list()
    assert changed[0] == TRAINED_UNTIL + 30 * HOUR


def test_score_chunk_by_chunk_says_the_same_as_at_once(world: World, tmp_path: Path, monkeypatch) -> None:
    score(world)
    at_once = world.predictions().sort("time").drop("latency_us")
    other = World.at(tmp_path / "other")
    other.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL + 5 * DAY))
    monkeypatch.setattr("almanac.scoring.score.CHUNK_ROWS", 30)
    assert score(other).windows == 5
    assert other.predictions().sort("time").drop("latency_us").equals(at_once)
    assert PredictionTable.of(other.home, WEATHER).version() == 4  # a commit a day


def test_score_after_a_death_in_the_middle_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.scoring.score.CHUNK_ROWS", 30)
    really, left = PredictionTable.replace, [2]

    def die(self: PredictionTable, *arguments: object, **named: object) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise TransientError("the store is away")
        return really(self, *arguments, **named)

    with monkeypatch.context() as broken:
        broken.setattr(PredictionTable, "replace", die)
        with pytest.raises(TransientError, match="the store is away"):
            score(world)
    assert world.predictions().height == 48
    assert score(world).rows == 72
    assert world.predictions()["time"].n_unique() == world.predictions().height == 120


def test_score_reads_only_what_features_need(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []
    really = DatasetTable.read

    def spy(self: DatasetTable, **named: Any) -> pl.DataFrame:
        read.append(named["columns"])
        return really(self, **named)

    monkeypatch.setattr(DatasetTable, "read", spy)
    score(world)
    assert read == [list(feature_columns(WEATHER))]
    assert "Apparent_Temperature_C" not in read[0]


@pytest.mark.parametrize("policy", ["impute", "reject"])
def test_score_missing_input_is_treated_as_declared_and_counted(world: World, policy: str) -> None:
    day = hours(TRAINED_UNTIL + 5 * DAY, TRAINED_UNTIL + 6 * DAY)
    at = pl.col("Timestamp") == TRAINED_UNTIL + 5 * DAY + 7 * HOUR
    gone = pl.when(at).then(None).otherwise(pl.col("Humidity")).alias("Humidity")
    world.publish(day.with_columns(gone))
    declared = changed(WEATHER, "score", missing={"Humidity": policy})
    summary = score_new_windows(declared, world.home, world.registry, run=RUN, now=NOW)
    assert summary.missing == {"Humidity": 1, "Humidity_change_3h": 2}  # its own hour, and the one three hours later
    rows = world.predictions().sort("time").filter(pl.col("missing").is_not_null())
    assert rows["missing"].to_list() == ["Humidity, Humidity_change_3h", "Humidity_change_3h"]
    if policy == "reject":
        assert (summary.rejected, summary.imputed) == (1, 1)
        assert rows["probability"].is_null().to_list() == rows["label"].is_null().to_list() == [True, False]
        assert "1 without a prediction: an input is missing" in summary.message
    else:
        assert (summary.rejected, summary.imputed) == (0, 2)
        assert rows["probability"].is_not_null().all()


def test_score_policy_of_an_unknown_feature_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"score.missing: unknown features; got \['Dew'\], expected some of"):
        changed(WEATHER, "score", missing={"Dew": "reject"})


def test_score_rejected_rows_are_not_scored_again_for_ever(world: World) -> None:
    declared = changed(WEATHER, "score", missing={"Humidity": "reject"})
    world.publish(
        hours(TRAINED_UNTIL + 5 * DAY, TRAINED_UNTIL + 6 * DAY).with_columns(Humidity=pl.lit(None, pl.Float64))
    )
    assert score_new_windows(declared, world.home, world.registry, run=RUN, now=NOW).rejected == 24
    again = score_new_windows(declared, world.home, world.registry, run=RUN, now=NOW)
    assert again.message == "nothing new to score"


def test_score_graph_of_other_bytes_is_refused_and_nothing_written(world: World, monkeypatch) -> None:
    def load(self: object, version: ModelVersion) -> bytes:
        return files.verified(b"other bytes", files.sha256(champion_files()[0]), f"weather@{version.version}")

    monkeypatch.setattr(type(world.registry), "load_onnx", load)
    with pytest.raises(IntegrityError, match="weather@1: the bytes are not what was recorded"):
        score(world)
    assert PredictionTable.of(world.home, WEATHER).version() == -1


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
        table.replace(rows, "1", TRAINED_UNTIL, TRAINED_UNTIL + DAY, metadata={})
    assert world.predictions().equals(rows)
