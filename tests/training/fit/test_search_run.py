"""A long search is cut into tasks that see the same rows; MLflow shows its trials below the candidate's run."""

import json

import pytest

from almanac.config.home import Home
from almanac.journal.records import RunRef
from almanac.registry.records import Tag
from almanac.training.fit import search_run
from almanac.training.fit.search_run import Batch, plan_search, run_batch, searched_in
from almanac.training.training_run import train
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.story import Story


def quiet(_message: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def searching(small, change):
    search = {"kind": "grid", "space": {"max_depth": [1, 2, 6], "n_estimators": [2, 5]}}
    forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "scale": False, "search": search}
    backtest = {"folds": 2, "fold": "20d", "min_train_rows": 500}
    return change(small, "train", candidates={"forest": forest}, backtest=backtest)


@pytest.fixture
def story(searching, registry, tmp_path) -> Story:  # noqa: F811
    story = Story(searching.model_copy(update={"name": f"search_{tmp_path.name}"}), Home(home=tmp_path), registry)
    story.publish(24 * 120)
    return story


def plan(story: Story, model=None) -> list[Batch]:
    batches = plan_search(
        model or story.model, story.home, now=story.now, candidates=None, overrides=None, on_progress=quiet
    )
    return [Batch.from_dict(json.loads(json.dumps(batch.to_dict()))) for batch in batches]


def test_plan_search_of_short_trials_leaves_them_to_the_training(story) -> None:
    assert plan(story) == []


def test_plan_search_measures_the_first_trial_and_shares_tasks(story, monkeypatch) -> None:
    monkeypatch.setattr(search_run, "BATCH_S", 1e-9)
    batches = plan(story)
    assert [len(batch.todo) for batch in batches] == [1] * 5
    assert [len(batch.done) for batch in batches] == [1, 0, 0, 0, 0]  # the first trial is not made twice


def test_plan_search_of_a_declared_cost_measures_nothing(story, change) -> None:
    search = {"kind": "grid", "space": {"max_depth": [1, 2, 3, 4, 5]}, "trial_cost": "25s", "stop": {"time": "10m"}}
    model = change(story.model, "train.candidates.forest", search=search)
    batches = plan(story, model)
    assert [len(batch.todo) for batch in batches] == [2, 2, 1]
    assert not any(batch.done for batch in batches)
    assert len({batch.deadline for batch in batches}) == 1


def test_run_batch_after_new_data_sees_the_rows_of_the_plan(story, monkeypatch) -> None:
    monkeypatch.setattr(search_run, "BATCH_S", 1e-9)
    batches = plan(story)
    before = run_batch(story.model, story.home, batches[-1], overrides=None, on_progress=quiet)
    story.publish(24 * 10)
    after = run_batch(story.model, story.home, batches[-1], overrides=None, on_progress=quiet)
    assert [trial.score for trial in before] == [trial.score for trial in after]


def test_train_takes_what_the_batches_found_and_mlflow_folds_the_trials_below_it(story, monkeypatch) -> None:
    monkeypatch.setattr(search_run, "BATCH_S", 1e-9)
    batches = plan(story)
    results = [
        {
            "dataset_version": batch.dataset_version,
            "joined": dict(batch.joined),
            "now": batch.now,
            "trials": [
                trial.to_dict()
                for trial in run_batch(story.model, story.home, batch, overrides=None, on_progress=quiet)
            ],
        }
        for batch in batches
    ]
    story.publish(24 * 10)  # newer rows than the trials saw
    logged = train(
        story.model,
        story.home,
        story.registry,
        reason="a test",
        run=RunRef("train", "one"),
        now=story.now,
        candidates=None,
        overrides=None,
        on_progress=quiet,
        searched=searched_in(results),
    )
    tags = story.registry.logged(logged).tags
    trials = [trial for result in results for trial in result["trials"]]
    best = max(trials, key=lambda trial: trial["score"])
    assert json.loads(tags[Tag.PARAMS]).items() >= best["found"].items()
    assert int(tags[Tag.DATASET_VERSION]) == batches[0].dataset_version
    children = story.registry.client.search_runs(
        [story.registry.experiment(story.model.name)], f"tags.mlflow.parentRunId = '{logged}'"
    )
    assert len(children) == len(trials) == 6
    assert {child.data.metrics["selection.f1_macro"] for child in children} == {trial["score"] for trial in trials}
    assert {child.data.params["max_depth"] for child in children} == {"1", "2", "6"}
    assert story.registry.client.get_run(logged).data.params["max_depth"] == str(best["found"]["max_depth"])


def test_searched_in_nothing_is_none() -> None:
    assert searched_in([]) is None
