"""A table without a time, from the first delivery to the monitor: who trained a model never judges it."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError, DataError
from almanac.features.split_groups import is_held_out, split_groups
from almanac.journal.records import RunRef
from almanac.monitoring.checks.drift import Status, assess
from almanac.monitoring.monitor import monitor
from almanac.monitoring.result import WindowResult
from almanac.registry.records import Tag
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import score_new_windows
from almanac.statistics.profile import ReferenceProfile
from almanac.training.backtest.folds import split
from almanac.training.foreign import ForeignPipeline, measure_foreign
from almanac.training.passport import load_passport
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.arrivals import FIRST, Hospital, hospital, make_patients, patients_model

DAY = timedelta(days=1)


@pytest.fixture(scope="module", name="story")
def _story(registry, tmp_path_factory) -> dict:  # noqa: F811
    """Five days: trained and promoted, scored, patients without a label, then with one, judged, trained again."""
    one = hospital(tmp_path_factory.mktemp("hospital"), registry, "patients_in_a_story")
    happened: dict = {"hospital": one, "first": one.deliver(make_patients(600), at=FIRST)}
    happened["verdict"], happened["logged"] = one.run(at=FIRST)
    number = one.crown(happened["logged"], at=FIRST)
    happened["profile"] = ReferenceProfile.from_json(registry.load_profile(registry.champion(one.model.name)))
    happened["scored"] = score(one, FIRST)
    new = make_patients(400, seed=2, first=401)
    happened["unlabelled"] = one.deliver(new.drop("ill"), at=FIRST + DAY)
    happened["scored next"] = score(one, FIRST + DAY)
    one.deliver(new, at=FIRST + 2 * DAY)
    score(one, FIRST + 2 * DAY)
    happened["monitored"] = monitor(
        one.model, one.home, one.journal, registry, run=RunRef("monitor", "m"), now=FIRST + 4 * DAY
    )
    happened["number"] = number
    happened["second verdict"], happened["second"] = one.run(at=FIRST + 4 * DAY)
    return happened


def score(one: Hospital, at):
    return score_new_windows(one.model, one.home, one.registry, run=RunRef("score", str(at)), now=at)


def test_patients_are_trained_and_pass_every_gate(story) -> None:
    assert story["first"].published_rows == 600
    assert story["verdict"].accepted, story["verdict"].reasons
    data = load_passport(story["hospital"].registry, story["logged"]).data
    assert data.split == "hold-out: 0.2 of the patient, by hash"
    assert data.train_rows + data.holdout_rows == data.labelled_rows == 600


def test_patients_of_the_newest_state_are_all_scored(story) -> None:
    assert story["scored"].rows == 600
    assert story["unlabelled"].published_rows == 400
    known = PredictionTable.of(story["hospital"].home, story["hospital"].model).read(
        story["number"], since=FIRST - DAY, until=FIRST + 9 * DAY
    )
    newest = known.sort("time").unique("patient", keep="last")
    assert newest.height == 800
    assert newest["probability"].null_count() == 0


def test_patients_of_the_second_training_are_compared_with_the_champion_on_rows_that_neither_saw(story) -> None:
    assert story["second verdict"].accepted
    assert story["second"].tags[Tag.PARENT_VERSION] == story["number"]
    first, second = (
        set(story["hospital"].registry.load_backtest(story[one]).filter(pl.col("fold") == 2)["group"].to_list())
        for one in ("logged", "second")
    )
    trained = story["hospital"].registry.load_backtest(story["logged"]).filter(pl.col("fold") < 2)["group"]
    assert first <= second
    assert not second & set(trained.to_list())


def test_patients_whom_the_champion_was_trained_on_do_not_judge_it_again(story) -> None:
    labelled = [one for one in story["monitored"].windows if one.performance.rows]
    assert len(labelled) == 1
    (window,) = labelled
    assert isinstance(window, WindowResult)
    ids = pl.DataFrame({"patient": np.arange(401, 801)})
    held = is_held_out(story["hospital"].model, split_groups(story["hospital"].model, ids))
    strangers = (ids["patient"] > 600) | pl.Series(held)
    assert (window.rows, window.performance.rows) == (400, int(strangers.sum()))


def test_patients_of_a_snapshot_do_not_grow_old_or_drift_by_coming_again(story) -> None:
    (window,) = [one for one in story["monitored"].windows if one.rows]
    assert {one.name: one.status.value for one in window.columns if one.status.value == "drifted"} == {}
    assert {one.name for one in window.columns} >= {"age", "glucose", "ward", "pressure"}
    assert "quiet" in {one.status.value for one in window.columns}  # not all insufficient


def test_patients_who_come_sorted_are_no_stuck_sensor(story) -> None:
    ages = pl.Series("age", sorted(make_patients(600)["age"].to_list() * 40))  # each stands there for hundreds of rows
    (drift,) = [
        each for each in assess(story["hospital"].model, story["profile"], ages.to_frame()) if each.name == "age"
    ]
    assert (drift.status, drift.figures["longest_run"] > 240) == (Status.QUIET, True)


def test_training_of_another_split_says_that_the_champion_saw_the_hold_out(story) -> None:
    one = story["hospital"]
    other = patients_model(train={"backtest": {"folds": 2, "share": 0.3, "min_train_rows": 200}})
    verdict, _ = one.run(at=FIRST + 4 * DAY, model=other.model_copy(update={"name": one.model.name}))
    (reason,) = [text for text in verdict.reasons if text.startswith("champion[f1_macro]")]
    assert "Rows of this hold-out trained the champion (hold-out: 0.2 of the patient, by hash)" in reason


def test_pipeline_from_elsewhere_is_refused_where_nothing_says_what_it_was_fitted_on(story) -> None:
    one = story["hospital"]
    foreign = ForeignPipeline(None, FIRST, "theirs")  # type: ignore[arg-type] # it is not looked at
    with pytest.raises(ConfigError, match="theirs was fitted elsewhere, and without a time nothing says"):
        measure_foreign(one.model, one.dataset.read(), foreign, now=FIRST + 4 * DAY, on_progress=print)


def test_rows_without_groups_are_never_split_by_their_arrival() -> None:
    times = np.array(["2026-01-01"] * 1000, dtype="datetime64[us]")
    with pytest.raises(DataError, match="got no groups, expected that of each row"):
        split(patients_model(), times)
