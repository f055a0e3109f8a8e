"""Spam that is told by its words, by a model that goes on with the mails as they arrive."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from almanac.examples.catalogue import declaration_of
from almanac.examples.mails import CAMPAIGN, FIRST_WEEKS, START, make_mails
from almanac.features.features import build_features
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.pipeline_file import dump_pipeline, load_pipeline
from almanac.training.candidate_passport import _features
from almanac.training.fit.continuation import Parent
from almanac.training.leaks import measure_leaks
from almanac.training.train import continue_candidate, prepare, train_candidate
from tests.training.number_labels.load import load_yaml


def until(mails, week: int):
    """The mails of all weeks up to this one."""
    return mails.filter(mails["received"] < START + timedelta(weeks=week))


def of(mails, week: int):
    return mails.filter(
        (mails["received"] >= START + timedelta(weeks=week - 1)) & (mails["received"] < START + timedelta(weeks=week))
    )


def as_parent(model, candidate, version: str) -> Parent:
    return Parent(
        version=version,
        declared=model,
        selection=candidate.selection,
        train_start=candidate.data.train_start,
        train_end=candidate.data.train_end,
        pipeline=load_pipeline(dump_pipeline(candidate.pipeline)),
    )


@pytest.fixture(scope="module")
def story():
    """The first training, and two continuations, as one more week has arrived and then three."""
    model, mails = load_yaml(declaration_of("spam")), make_mails()
    versions = [train_candidate(model, until(mails, FIRST_WEEKS), now=START + timedelta(weeks=FIRST_WEEKS))]
    for week in (FIRST_WEEKS + 1, CAMPAIGN + 2):
        parent = as_parent(model, versions[-1], str(len(versions)))
        now = START + timedelta(weeks=week)
        versions.append(continue_candidate(model, until(mails, week), now=now, parent=parent))
    return model, mails, versions


def caught(model, candidate, mails) -> float:
    """The share of the spam among these mails that the graph tells."""
    spam = mails.filter(mails["is_spam"] == "yes")
    graph = OnnxModel(candidate.onnx)
    return float((graph.score(build_features(model, spam)) >= graph.threshold).mean())


@pytest.mark.slow
def test_first_training_tells_the_spam_that_it_has_seen(story) -> None:
    _, _, versions = story
    assert versions[0].metrics.holdout["f1_macro"] > 0.9
    assert versions[0].parity.holdout.label_agreement == 1.0
    assert versions[0].parity.boundary.rows < 1500  # not four for each of 1,024 columns


@pytest.mark.slow
def test_continuations_tell_spam_whose_words_no_earlier_mail_had(story) -> None:
    model, mails, versions = story
    new = of(mails, CAMPAIGN + 3)
    assert caught(model, versions[0], new) < 0.6
    assert caught(model, versions[-1], new) > 0.9
    assert versions[-1].mode == "incremental"


@pytest.mark.slow
def test_each_continuation_is_trained_on_the_mails_that_are_new_to_it(story) -> None:
    _, _, versions = story
    assert [one.data.train_rows for one in versions[1:]] == [224, 3 * 224]


@pytest.mark.slow
def test_thousand_columns_of_a_text_are_one_line_for_people(story) -> None:
    model, _, versions = story
    assert versions[0].constant == ()
    assert [one.name for one in _features(model)] == ["body_word_0 to body_word_1023"]
    assert len(versions[0].leaks.explained) == 1


def test_column_of_a_text_that_holds_the_label_is_among_the_suspects() -> None:
    model, mails = load_yaml(declaration_of("spam")), make_mails(weeks=8)
    mark = pl.when(pl.col("is_spam") == "yes").then(pl.lit(" xspamx")).otherwise(pl.lit(""))
    told = mails.with_columns(body=pl.col("body") + mark)
    rows, folds = prepare(model, told, now=START + timedelta(weeks=8))
    (share,) = measure_leaks(model, rows, folds[-1]).explained.values()
    assert share > 0.85


def test_third_of_the_mails_is_spam() -> None:
    assert np.isclose((make_mails()["is_spam"] == "yes").mean(), 1 / 3, atol=0.03)
