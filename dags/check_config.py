"""Loads every model's YAML strictly: a broken file never takes other models' DAGs down, but here it fails loudly."""

from airflow.sdk import DAG, task
from almanac.dags import cron
from almanac.notifiers.alert import AlertNotifier

from include.config.home import Home

HOME = Home()


def build() -> DAG:
    """`check_config`: one task, daily and by hand."""
    with DAG(
        dag_id="check_config",
        description=__doc__,
        doc_md=f"{__doc__}\n\nReads `{HOME.models}`. To mend: see `docs/add-a-model.md`, then run this again.",
        schedule=cron("0 5 * * *"),
        catchup=False,
        tags=["config"],
        default_args={"owner": "almanac", "retries": 0, "on_failure_callback": AlertNotifier(None)},
    ) as dag:

        @task
        def check_every_yaml() -> list[str]:
            """The names of the models; fails with every problem of every file."""
            from include.config.loader import check_models

            return check_models(HOME.models)

        check_every_yaml()
    return dag


build()
