"""Trains candidates, judges them by the gates, promotes what beats the champion, or is as good and newer.

The first task decides by the declared policy whether to train, and records why. A refusal, there or at the gates, is a
green run: the decision and its reasons are in the task's XCom, in MLflow and in the journal.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.branching import start_only
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.approval import PromotionApprovalOperator
from almanac_airflow.operators.release import EvaluateGatesOperator, PromoteModelOperator, RegisterModelOperator
from almanac_airflow.operators.training import TrainOperator
from almanac_airflow.params import training_params
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import training
from almanac_airflow.trials import search

HOME = Home()
STARTS = ("plan_search", "train")


def build(model: Model) -> DAG:
    """`train_<model>`: decide -> [search ->] train -> judge -> register -> [approve ->] promote."""
    name, schedule = model.name, schedule_of(model, "train", HOME)
    with make_dag("train", model, purpose=__doc__, schedule=schedule, params=training_params(model)) as dag:

        @task(doc_md="Whether to train: cooldown, new labelled rows, runs per week. A run by hand overrules, recorded.")
        def decide(*, params: dict[str, Any]) -> dict[str, Any]:
            decision = training.decide(run_context(HOME), model, params)
            return start_only(model, STARTS if decision["accepted"] else (), STARTS, decision)

        decision = decide()
        train = TrainOperator(
            task_id="train",
            model=name,
            dataset_of=model.dataset.of,
            decision=decision,
            searched=search(model, HOME, decision),
            from_form=True,
            trigger_rule=TriggerRule.NONE_FAILED,  # no batch of trials is no reason not to train
        )
        judge = EvaluateGatesOperator(task_id="judge", model=name, mlflow_run_id=train.output)
        register = RegisterModelOperator(task_id="register", model=name, verdict=judge.output)
        promote = PromoteModelOperator(
            task_id="promote",
            model=name,
            version=register.output,
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        register >> PromotionApprovalOperator(model=model, after="register") >> promote
    return dag


for declared in declared_models(HOME):
    globals()[f"train_{declared.name}"] = build(declared)
