"""A training run from the question to the verdict, with a real dataset, MLflow and journal."""

import pytest

from almanac.config.home import Home
from almanac.errors import IntegrityError, TransientError
from almanac.journal.exclusive import exclusive
from almanac.journal.records import DecisionKind
from almanac.registry import files
from almanac.registry.records import Tag
from almanac.training.passport import load_passport
from almanac.training.training_run import load_parent
from tests.release.conftest import plots, registry  # noqa: F401 - fixtures
from tests.training.story import Story

FIRST, SECOND = 24 * 160, 24 * 40


@pytest.fixture(scope="module")
def continuable(small, change):
    sgd = {"estimator": "sklearn.linear_model.SGDClassifier", "scale": True, "params": {"loss": "log_loss"}}
    model = change(small, "train", candidates={"sgd": sgd}, backtest={"folds": 2, "fold": "20d", "min_train_rows": 500})
    model = change(model, "gates.segments", by="season", min_rows=100, max_loss=0.3)
    return change(model, "gates.champion", resamples=100)


@pytest.fixture
def story(continuable, registry, tmp_path, request) -> Story:  # noqa: F811
    name = f"story_{abs(hash(request.node.name)) % 10**9}"
    story = Story(continuable.model_copy(update={"name": name}), Home(home=tmp_path), registry)
    story.publish(FIRST)
    return story


def test_ask_auto_without_a_champion_is_a_first_training_from_scratch(story) -> None:
    verdict, logged = story.run(mode="auto")
    assert logged.tags[Tag.MODE] == "scratch"
    granted = story.journal.decisions(story.model.name, DecisionKind.TRAINING)[0]
    assert granted.reasons[-1] == "from scratch: there is no champion to continue"
    assert verdict.kind is DecisionKind.GATES


def test_ask_incremental_without_a_champion_is_a_recorded_refusal(story) -> None:
    refusal, logged = story.run(mode="incremental")
    assert (refusal.accepted, logged) == (False, None)
    assert refusal.reasons == ("a test", "mode incremental: there is no champion to continue")
    assert story.journal.decisions(story.model.name) == [refusal]


def test_incremental_continues_the_champion_and_passes_every_gate_against_it(story) -> None:
    _, first = story.run()
    number = story.crown(first)
    story.publish(SECOND)
    verdict, second = story.run(mode="auto")
    assert verdict.accepted, verdict.reasons
    assert second.tags[Tag.MODE] == "incremental"
    assert second.tags[Tag.PARENT_VERSION] == number
    assert any(
        reason.startswith("champion[f1_macro]") and "differs from champion" in reason for reason in verdict.reasons
    )
    continued = load_passport(story.registry, second).data
    assert continued.train_rows == SECOND
    assert continued.train_start == load_passport(story.registry, first).data.train_start


def test_incremental_with_changed_features_is_refused_and_auto_begins_again(story) -> None:
    _, first = story.run()
    story.crown(first)
    story.publish(SECOND)
    fewer = story.model.model_copy(update={"features": story.model.features[:-1]})
    refusal, _ = story.run(mode="incremental", model=fewer)
    assert not refusal.accepted
    assert refusal.reasons[-1] == "mode incremental: the features have changed since version 1"
    _, anew = story.run(mode="auto", model=fewer)
    assert anew.tags[Tag.MODE] == "scratch"


def test_incremental_with_parameters_by_hand_is_refused(story) -> None:
    _, first = story.run()
    story.crown(first)
    refusal, _ = story.run(mode="incremental", overrides={"alpha": 0.1})
    assert "were chosen by hand" in refusal.reasons[-1]


def test_train_while_another_training_of_the_model_is_at_work_is_turned_away(story) -> None:
    with (
        exclusive(story.home.journal_url, f"train_{story.model.name}"),
        pytest.raises(TransientError, match=f"train_{story.model.name}.*locked by another process"),
    ):
        story.run()
    story.run()


def test_train_in_epochs_shows_its_losses_as_steps_in_mlflow_and_its_warnings_as_a_tag(story, change) -> None:
    sgd = {"estimator": "sklearn.linear_model.SGDClassifier", "scale": True, "params": {"loss": "log_loss"}}
    model = change(story.model, "train", candidates={"sgd": {**sgd, "learning": {"epochs": 3}}})
    _, logged = story.run(model=change(model, "train", warn={"always": "holdout_f1_macro <= 1"}))
    losses = story.registry.client.get_metric_history(logged.mlflow_run_id, "learning.validation_loss")
    assert [each.step for each in losses] == [0, 1, 2]
    assert all(each.value > 0 for each in losses)
    assert logged.tags[Tag.WARNINGS] == "always: holdout_f1_macro <= 1"


def test_load_parent_of_a_tampered_pipeline_loads_nothing(story, tmp_path, monkeypatch) -> None:
    _, first = story.run()
    read = files.Artifacts.read
    monkeypatch.setattr(files.Artifacts, "read", lambda run, path: read(run, path) + b"x" * (path == files.PIPELINE))
    with pytest.raises(IntegrityError, match=r"pipeline\.skops: the bytes are not what was recorded"):
        load_parent(story.registry, first, story.model)
