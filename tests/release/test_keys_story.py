"""A dataset with several rows at one time: trained, judged by place, compared, scored, watched."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.monitoring.checks.performance import PerformanceState
from almanac.monitoring.monitor import monitor
from almanac.registry.records import PASSED, Tag
from almanac.release.comparison import compare
from almanac.release.gates import Evaluation, judge
from almanac.release.promotion import promote, register
from almanac.release.run_judgement import judge as judge_run
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import score_new_windows
from almanac.training.train import train_candidate
from almanac.training.training_run import train
from tests.data.parts import publish_rows
from tests.release.gates.evaluations import refused
from tests.training.number_labels.load import HOURS, LOAD, START, load_yaml, make_load

NORTH, SOUTH = "Turku, Finland (north)", "a|b <i>50 %</i> [x](http://c)"  # any text may name a group
PLACES = {NORTH: 500.0, SOUTH: 900.0}
LATER = 24 * 40
COLUMNS = {
    "Hour": {"type": "timestamp"},
    "Place": {"type": "string", "values": list(PLACES)},
    "Temperature": {"type": "float"},
    "Load": {"type": "float"},
}


def declared(**gates):
    by_place = {"by": "Place", "metric": "rmse", "max_loss": 5, "min_rows": 200}
    return load_yaml(
        LOAD,
        dataset={"key": ["Hour", "Place"], "columns": COLUMNS},
        gates={"segments": by_place, **gates},
        monitor={"window": "20d", "segments": [{"by": "Place"}]},
        score={"window": "1d"},
    )


def both(count: int) -> pl.DataFrame:
    """Each place's hours; the south is warmer and takes more."""
    parts = [
        make_load(count, seed=seed, level=level).with_columns(pl.lit(place).alias("Place"))
        for seed, (place, level) in enumerate(PLACES.items())
    ]
    return pl.concat(parts).sort("Hour", "Place").select(list(COLUMNS))


@pytest.fixture(scope="module")
def model():
    return declared().model_copy(update={"name": "places"})


@pytest.fixture(scope="module")
def candidate(model):
    return train_candidate(model, both(HOURS), now=START + timedelta(hours=HOURS))


def test_backtest_reports_rows_of_one_time_apart(candidate) -> None:
    assert {"key.Place", "segment"} <= set(candidate.rows.columns)
    assert candidate.rows.n_unique(subset=["time", "key.Place"]) == candidate.rows.height
    assert set(candidate.metrics.segments) == set(PLACES)
    assert set(candidate.metrics.baselines) == {"mean", "persistence", "stump", "day_ago", "week_ago"}


def test_candidate_that_is_bad_in_one_place_is_refused_there_alone(model, candidate) -> None:
    draw = np.random.default_rng(1)
    noise = pl.Series(draw.normal(0, 90, candidate.rows.height))
    bad = pl.when(pl.col("segment") == SOUTH).then(pl.col("answer") + noise).otherwise("answer").alias("answer")
    rows = candidate.rows.with_columns(bad)
    found = refused(judge(model, Evaluation(rows, candidate.parity, train_metrics=candidate.metrics.train)))
    assert f"segments[{SOUTH}]" in found
    assert f"segments[{NORTH}]" not in found


def test_segments_by_what_is_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gates.segments.by: got 'Load', expected one of \['season'"):
        declared(segments={"by": "Load", "metric": "rmse", "max_loss": 5, "min_rows": 200})


@pytest.fixture(scope="module")
def world(registry, model, tmp_path_factory):
    home = Home(home=tmp_path_factory.mktemp("places"))
    journal, run = Journal(f"sqlite:///{home.home}/journal.db"), RunRef("train_places", "first")
    rows, now = both(HOURS + LATER), START + timedelta(hours=HOURS)
    for batch, part in (("first", rows[: 2 * HOURS]), ("second", rows[2 * HOURS :])):
        numbered = part.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(DatasetTable.of(home, model), numbered, batch)
        if batch == "first":
            logged = train(
                model,
                home,
                registry,
                reason="a test",
                run=run,
                now=now,
                candidates=None,
                overrides=None,
                on_progress=lambda _: None,
            )
            verdict = judge_run(model, home, journal, registry, logged, run=run, now=now)
            assert verdict.accepted, verdict.reasons
            version = register(registry, model.name, logged, run=run, journal=journal, now=now).version
            promote(registry, model, version, reason="a test", run=run, journal=journal, now=now)
    return home, journal, START + timedelta(hours=HOURS + LATER)


def test_rows_of_several_places_are_judged_and_compared(registry, model, world) -> None:
    home, _, now = world
    assert registry.version(model.name, "1").tags[Tag.GATES] == PASSED
    words = compare(model, home, registry, "1", reasons=["a test"], now=now)
    assert "**rmse by Place**" in words
    assert f"| {NORTH} | 720 |" in words
    assert r"| a\|b \<i>50 %\</i> \[x](http://c) | 720 |" in words


def test_rows_of_several_places_are_scored_and_watched(registry, model, world) -> None:
    home, journal, now = world
    done = score_new_windows(model, home, registry, run=RunRef("score_places", "1"), now=now)
    rows = PredictionTable.of(home, model).read("1", since=START, until=now)
    assert (
        done.rows == rows.height == rows.n_unique(subset=["time", "Place"]) == 2 * (LATER + 24)
    )  # and the day in which its labels end
    found = monitor(model, home, journal, registry, run=RunRef("monitor_places", "1"), now=now)
    assert {window.performance.standing for window in found.windows} == {PerformanceState.HOLDING}
    assert {group.name for group in found.windows[-1].groups} == set(PLACES)
