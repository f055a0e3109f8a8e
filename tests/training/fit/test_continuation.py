"""The champion is continued on rows that it has not learned, never on its judge's, or it is said why it cannot be."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from almanac.errors import ConfigError
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.backtest.folds import split
from almanac.training.fit.continuation import Parent, continuation_problems, continue_champion, new_rows
from almanac.training.train import continue_candidate, train_candidate
from tests.training.conftest import HOURS, NOW

OLD = HOURS - 24 * 45  # the champion was trained when the newest 45 days had not come yet
ESTIMATORS = {
    "SGDClassifier": ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}),
    "GaussianNB": ("sklearn.naive_bayes.GaussianNB", {}),
    "MLPClassifier": ("sklearn.neural_network.MLPClassifier", {"hidden_layer_sizes": 8, "max_iter": 1000, "tol": 0.01}),
}


@pytest.fixture(scope="module")
def model(small, change):
    path, params = ESTIMATORS["SGDClassifier"]
    return change(small, "train", candidates={"one": {"estimator": path, "scale": True, "params": params}})


def parent_of(model, frame: pl.DataFrame, candidates=None) -> Parent:
    trained = train_candidate(model, frame, now=NOW, candidates=candidates)
    return Parent(
        version="1",
        declared=model,
        selection=trained.selection,
        train_start=trained.data.train_start,
        train_end=trained.data.train_end,
        pipeline=load_pipeline(dump_pipeline(trained.pipeline)),
    )


@pytest.fixture(scope="module")
def parent(model, frame) -> Parent:
    return parent_of(model, frame[:OLD])


def holdout_of(model, frame):
    rows = labelled_rows(model, frame, now=NOW)
    return rows, split(model, rows.times)[-1]


def test_new_rows_begin_after_what_was_learned_and_end_before_the_holdout(model, frame, parent) -> None:
    rows, holdout = holdout_of(model, frame)
    times = rows.times[new_rows(parent, holdout, rows.times)]
    assert times[0] == np.datetime64(parent.train_end.replace(tzinfo=None)) + np.timedelta64(1, "h")
    assert times[-1] + np.timedelta64(4, "h") == holdout.start
    assert len(times) == 45 * 24


@pytest.mark.parametrize("name", ESTIMATORS)
def test_continue_is_partial_fit_of_the_champions_estimator_and_leaves_the_champion_alone(
    small, change, frame, name: str
) -> None:
    path, params = ESTIMATORS[name]
    model = change(small, "train", candidates={"one": {"estimator": path, "scale": True, "params": params}})
    parent = parent_of(model, frame[:OLD])
    rows, holdout = holdout_of(model, frame)
    before = parent.pipeline.predict_proba(rows.values[holdout.test])
    continued = continue_candidate(model, frame, now=NOW, parent=parent)
    np.testing.assert_array_equal(parent.pipeline.predict_proba(rows.values[holdout.test]), before)
    training_rows = new_rows(parent, holdout, rows.times)
    values = parent.pipeline[:-1].transform(rows.values[training_rows])
    expected = parent.pipeline[-1].partial_fit(values, rows.labels[training_rows].astype(np.int64))
    np.testing.assert_array_equal(
        continued.pipeline.predict_proba(rows.values[holdout.test]),
        expected.predict_proba(parent.pipeline[:-1].transform(rows.values[holdout.test])),
    )


def test_continue_candidate_is_judged_on_the_holdout_alone_and_says_where_it_comes_from(model, frame, parent) -> None:
    continued = continue_candidate(model, frame, now=NOW, parent=parent)
    assert (continued.mode, continued.parent, continued.data.train_rows) == ("incremental", "1", 45 * 24)
    assert continued.data.train_start == parent.train_start
    assert continued.rows["fold"].unique().to_list() == [3]
    assert continued.rows["time"].min() > continued.data.train_end > parent.train_end
    assert continued.metrics.holdout["f1_macro"] > max(
        each["f1_macro"] for each in continued.metrics.baselines.values()
    )


def test_continue_candidate_does_not_look_at_the_holdout(model, frame, parent) -> None:
    _, holdout = holdout_of(model, frame)
    cut = pl.lit(holdout.start).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    spoilt = frame.with_columns(Humidity=pl.when(pl.col("Timestamp") >= cut).then(0.5).otherwise("Humidity"))
    one, other = (continue_candidate(model, each, now=NOW, parent=parent).pipeline for each in (frame, spoilt))
    np.testing.assert_array_equal(one[-1].coef_, other[-1].coef_)


def faults_of(model, frame, parent) -> str:
    rows, holdout = holdout_of(model, frame)
    return "; ".join(continuation_problems(model, parent, holdout, rows.times))


def test_continuation_faults_of_a_fit_champion_are_none(model, frame, parent) -> None:
    assert faults_of(model, frame, parent) == ""


def test_continuation_faults_name_an_estimator_that_cannot(small, frame) -> None:
    forest = parent_of(small, frame[:OLD], ["forest"])
    assert faults_of(small, frame, forest) == (
        "RandomForestClassifier of version 1 cannot continue: it has no partial_fit"
    )


def test_continuation_faults_name_early_stopping(small, change, frame) -> None:
    path, params = ESTIMATORS["MLPClassifier"]
    params = {**params, "early_stopping": True}
    model = change(small, "train", candidates={"one": {"estimator": path, "scale": True, "params": params}})
    assert "early_stopping is set" in faults_of(model, frame, parent_of(model, frame[:OLD]))


@pytest.mark.parametrize(
    ("place", "values", "said"),
    [
        ("label", {"horizon": "6h"}, "the label has changed"),
        ("label", {"equals": "clear"}, "the label has changed"),
        ("dataset.columns.Humidity", {"unit": "%"}, r"schema has changed since version 1: \['Humidity'\]"),
        ("train.candidates.one", {"scale": False}, "the declaration of candidate one has changed"),
    ],
)
def test_continuation_faults_name_what_was_declared_otherwise(
    model, change, frame, parent, place, values, said
) -> None:
    with pytest.raises(ConfigError, match=said):
        continue_candidate(change(model, place, **values), frame, now=NOW, parent=parent)


def test_continuation_faults_name_changed_features(model, frame, parent) -> None:
    fewer = model.model_copy(update={"features": model.features[:-1]})
    assert "the features have changed since version 1" in faults_of(fewer, frame, parent)


def test_continuation_faults_name_an_unreadable_declaration(model, frame, parent) -> None:
    assert "is not valid under today's schema" in faults_of(model, frame, replace(parent, declared=None))


def test_continuation_faults_without_new_rows(model, frame, parent) -> None:
    assert "no labelled row lies between" in faults_of(model, frame[:OLD], parent)


def test_continuation_faults_when_the_champion_has_seen_the_holdout(model, frame, parent) -> None:
    assert "holds training rows of it" in faults_of(model, frame[: OLD - 100], parent)


def test_continue_with_a_class_that_is_new_refuses(model, frame, parent) -> None:
    rows, holdout = holdout_of(model, frame)
    strange = replace(rows, labels=np.where(np.arange(len(rows)) % 7 == 0, 2, rows.labels).astype(np.int8))
    with pytest.raises(ConfigError, match=r"classes \[2\] are new to it; it knows"):
        continue_champion(parent, strange, new_rows(parent, holdout, rows.times))
