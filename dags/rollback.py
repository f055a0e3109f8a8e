"""Makes an earlier version the champion again, at once.

Started by a person, who gives a reason: the earlier version is loaded and its hash checked, then the alias moves, and
the version that leaves is marked, so that it never becomes champion again by itself. `rollback_drill_<model>` proves on
a schedule that this would work: it does everything but the move, and scores the newest rows.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.release import RollbackOperator
from almanac_airflow.params import rollback_params
from almanac_airflow.runs import run_context
from almanac_airflow.steps import release as steps

HOME = Home()


def build(model: Model) -> DAG:
    """`rollback_<model>`: one task."""
    with make_dag("rollback", model, purpose=__doc__, schedule=None, params=rollback_params()) as dag:
        RollbackOperator(task_id="roll_back", model=model.name, from_form=True)
    return dag


def build_drill(model: Model) -> DAG:
    """`rollback_drill_<model>`: one task."""
    with make_dag("rollback_drill", model, purpose=__doc__, schedule=model.rollback.drill) as dag:

        @task(doc_md="Loads previous, checks its hash, scores the newest rows; fails, and so alerts, when it cannot.")
        def prove_previous() -> dict[str, Any]:
            return steps.prove_previous(run_context(HOME), model)

        prove_previous()
    return dag


for declared in declared_models(HOME):
    globals()[f"rollback_{declared.name}"] = build(declared)
    globals()[f"rollback_drill_{declared.name}"] = build_drill(declared)
