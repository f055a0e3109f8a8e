"""Loads every model's YAML strictly: a broken file never takes other models' DAGs down, but here it fails loudly.

Then it looks, for models that declare `train.triggers.change`, whether the declaration or the code differs from the
champion's, and wakes their training. Run it after a deployment; it runs daily by itself.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import cron, declared_models
from almanac_airflow.installation import declared_installation
from almanac_airflow.notifiers.alert import callbacks

HOME = Home()


def look_for_change(model: Model) -> Any:
    """A task that wakes the model's training when it would come out otherwise today; else it is skipped."""
    change = assets.change(model)

    @task(
        task_id=f"look_at_{model.name}",
        outlets=[change],
        retries=3,
        doc_md="Wakes the training when the declaration or the code differs from the champion's; else skipped.",
    )
    def look(*, outlet_events: Any) -> None:
        from almanac.registry.store import Registry
        from almanac.training.changes import find_change

        reason = find_change(model, Registry.of(HOME))
        if not reason:
            raise AirflowSkipException("nothing has changed since the champion was trained")
        outlet_events[change].extra = {"reason": reason}

    return look()


def build() -> DAG:
    """`check_config`: check_every_yaml -> look_at_<model>, daily and by hand."""
    with DAG(
        dag_id="check_config",
        description=__doc__.splitlines()[0],
        doc_md=f"{__doc__}\n\nReads `{HOME.models}`. To mend: see `docs/add-a-model.md`, then run this again.",
        schedule=cron("0 5 * * *"),
        catchup=False,
        tags=["config"],
        default_args={"owner": "almanac", "retries": 0, **callbacks(None, declared_installation(HOME).alerts)},
    ) as dag:

        @task(doc_md="Fails with every problem of every file.")
        def check_every_yaml() -> list[str]:
            """The names of the models; fails with every problem of every file."""
            from almanac.config.files.loader import check_models

            return check_models(HOME.models)

        checked = check_every_yaml()
        for model in declared_models(HOME):
            if model.train.triggers.change:
                checked >> look_for_change(model)
    return dag


build()
