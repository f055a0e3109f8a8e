"""A training that keeps checkpoints dies in its DAG; the next try goes on where it was."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, Home
from almanac.services.services import Services
from almanac.services.supervision.leftovers import processes_of
from almanac.training.fit.checkpoints import read_all
from tests.e2e.watched import BEGIN, TRAINED_UNTIL, publish_hours
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EPOCHS = 40
NET = {
    "estimator": "sklearn.neural_network.MLPClassifier",
    "scale": True,
    "params": {"hidden_layer_sizes": 64, "learning_rate_init": 0.001},
    "learning": {
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "stuck": None,
        "diverging": None,
        "overfitting": None,
        "checkpoints": {"every": 1, "keep": EPOCHS, "backup": False},
    },
}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """The weather, learned by a net alone, with two years of hours."""
    models = tmp_path / "models"
    shutil.copytree(MODELS_FOLDER, models)
    declared = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    declared["train"] |= {"candidates": {"net": NET}}
    declared["pipelines"] = {kind: {"enabled": False} for kind in ("ingest", "score")}
    (models / "weather.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    home = Home(home=tmp_path, models=models)
    with Services(home, report=print).running() as running:
        publish_hours(home, BEGIN, TRAINED_UNTIL, "two years")
        yield running


def test_training_killed_between_two_epochs_goes_on_from_its_newest_checkpoint(services: Services) -> None:
    folder = Path(services.home.checkpoints_of("weather"))

    def epochs() -> list[int]:
        return [one.epoch for run in folder.glob("*") for one in read_all(run)]

    with services.airflow() as airflow:
        wait(lambda: "train_weather" in airflow.dag_ids(), "the DAG")
        run = airflow.trigger("train_weather", {"reason": "to be killed"})
        wait(lambda: len(epochs()) >= 3, "three checkpoints")
        _process_of(services, run.run_id).kill()
        before = epochs()
        assert len(before) < EPOCHS, "killed too late"
        assert airflow.wait(run.dag_id, run.run_id, timeout_s=300).state == "success"
        tries = {task.task_id: task.tries for task in airflow.tasks(run.dag_id, run.run_id)}
    assert tries["train"] == 2
    assert sorted(epochs()) == sorted(set(epochs())), "an epoch was learned twice"
    assert set(before) < set(epochs())
    assert max(epochs()) == EPOCHS - 1


def _process_of(services: Services, run_id: str) -> psutil.Process:
    with services.airflow() as airflow:
        found = airflow.call("GET", f"/dags/train_weather/dagRuns/{run_id}/taskInstances/train")
    assert isinstance(found, dict)
    (process,) = [one for one in processes_of(services.home.home) if str(found["id"]) in " ".join(one.cmdline())]
    return process
