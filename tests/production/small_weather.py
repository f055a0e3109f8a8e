"""The shipped model made small: one candidate that learns in a second, and a history that lands as one file."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from almanac.config.home import MODELS_FOLDER
from almanac.sample.weather_generator import generate_month
from almanac.services.airflow_api import AirflowClient, DagRun

MODEL = "weather"
MONTHS = 30  # the gates judge the newest of them by several folds
FIRST_YEAR = 2021
# Whether a model is good is judged elsewhere; here it only has to become champion, by the same tasks.
_GATES: dict[str, Any] = {
    "absolute": {"f1_macro": 0.2},
    "baselines": {"metric": "f1_macro", "margin": 0.0, "kinds": ["majority"]},
    "champion": {"metric": "f1_macro", "max_loss": 0.5, "resamples": 100, "confidence": 0.9},
    "segments": {"by": "season", "metric": "f1_macro", "max_loss": 1.0, "min_rows": 500},
    "calibration": {"max_ece": 1.0},
    "gap": {"metric": "f1_macro", "max_gap": 1.0},
    "budget": {"max_size_mb": 200, "max_latency_ms": 5000},
}


def declare(models: Path, **changes: Any) -> None:
    """Write the declarations; nothing but a person triggers training, and nobody monitors this week.

    Args:
        models: the folder, which must not exist yet.
        changes: sections of the model's YAML, laid over it key by key.
    """
    shutil.copytree(MODELS_FOLDER, models)
    path = models / f"{MODEL}.yaml"
    declared = yaml.safe_load(path.read_text("utf-8"))
    small: dict[str, Any] = {
        "source": {"settle": "1s", "poll": "1s", "sweep": "*/2 * * * *"},
        "backup": {"after_publication": False},
        "monitor": {"schedule": "0 0 1 1 *"},  # without a monitor nothing is promoted
        "train": {"triggers": {"new_data": False, "retrain_request": False}},
    }
    for section, values in [*small.items(), *changes.items()]:
        declared[section] = {**declared.get(section, {}), **values}
    declared["gates"] = {**declared["gates"], **_GATES, "behaviour": {}}
    declared["train"]["candidates"] = {"logistic": declared["train"]["candidates"]["logistic"]}
    path.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True), "utf-8")


def month(number: int) -> pl.DataFrame:
    """The hours of a month, counted from the first of the history."""
    return generate_month(FIRST_YEAR + number // 12, number % 12 + 1)


def history() -> tuple[bytes, int]:
    """The history as one CSV file, and the number of its rows."""
    frame = pl.concat([month(number) for number in range(MONTHS)])
    return frame.write_csv().encode(), frame.height


def run(airflow: AirflowClient, dag_id: str, conf: dict[str, Any] | None = None, *, timeout_s: float = 300) -> DagRun:
    """Start a run and wait for its end, which must be a good one."""
    started = airflow.trigger(dag_id, conf or {})
    ended = airflow.wait(dag_id, started.run_id, timeout_s=timeout_s)
    assert ended.state == "success", [(task.task_id, task.state) for task in airflow.tasks(dag_id, ended.run_id)]
    return ended
