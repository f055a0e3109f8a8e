"""Promotes a registered version: one that a person names, or one that has scored well in shadow.

A person who starts it by hand gives a reason: any version whose gates passed becomes champion, at once if that person
may decide alone (`approval`), else after somebody who may has answered. After a shadow run the YAML decides whether the
version is promoted or a person is asked first.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.approval import PromotionApprovalOperator
from almanac_airflow.operators.release import PromoteModelOperator
from almanac_airflow.params import promotion_params
from almanac_airflow.runs import run_context
from almanac_airflow.steps import release as steps

HOME = Home()


def build(model: Model) -> DAG:
    """`promote_<model>`: propose -> (approve) -> promote."""
    schedule = [assets.shadow(model)] if model.shadow is not None else None
    with make_dag("promote", model, purpose=__doc__, schedule=schedule, params=promotion_params()) as dag:

        @task(doc_md="Which version, and whether a person is asked about it.")
        def propose(*, params: dict[str, Any]) -> str:
            return steps.propose(run_context(HOME), model, params)

        version = propose()
        promote = PromoteModelOperator(
            task_id="promote",
            model=model.name,
            version=version,
            from_form=True,
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        version >> PromotionApprovalOperator(model=model, after="propose") >> promote
    return dag


for declared in declared_models(HOME):
    globals()[f"promote_{declared.name}"] = build(declared)
