"""Loads every model's YAML strictly: a broken file never takes other models' DAGs down, but fails here.

For models that declare `train.triggers.change` it also checks whether the declaration or the code differs from the
champion's, and triggers their training. Run it after a deployment; it runs daily by itself.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.config.sections.pipelines import DEFAULT_QUEUE
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation, declared_models
from almanac_airflow.runs import run_context
from almanac_airflow.steps import health, triggers

HOME = Home()
_HOW_TO_CORRECT = f"Reads `{HOME.models}`. To correct a file: see `docs/add-a-model.md`, then run this again."


def look_for_change(model: Model) -> Any:
    """A task that triggers the model's training when it would come out different today; else it is skipped."""
    change = assets.change(model)

    @task(
        task_id=f"look_at_{model.name}",
        outlets=[change],
        doc_md="Triggers the training when the declaration or the code differs from the champion's; else skipped.",
    )
    def look(*, outlet_events: Any) -> None:
        outlet_events[change].extra = triggers.find_change(run_context(HOME), model)

    return look()


def build(installation: Installation) -> DAG:
    """`check_config`: check_every_yaml -> look_at_<model>, daily and by hand."""
    with make_dag(
        "check_config",
        installation,
        purpose=f"{__doc__}\n{_HOW_TO_CORRECT}",
        schedule="0 5 * * *",
        tags=("config",),
        queue=DEFAULT_QUEUE,  # it opens no database of Airflow or MLflow
    ) as dag:

        @task(doc_md="Fails with every problem of every file.")
        def check_every_yaml() -> list[str]:
            return health.check_declarations(run_context(HOME))

        checked = check_every_yaml()
        for model in declared_models(HOME):
            if model.train.triggers.change:
                checked >> look_for_change(model)
    return dag


build(declared_installation(HOME))
