"""Trains candidates, judges them by the gates, promotes what beats the champion, or is as good and newer.

The first task decides by the declared policy whether to train, and records why. A refusal, there or at the gates, is a
green run: the decision and its reasons are in the task's XCom, in MLflow and in the journal.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.approval import APPROVAL_DOC, PromotionApproval
from almanac_airflow.params import training_params
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import release, training
from almanac_airflow.trials import search

HOME = Home()


def build(model: Model) -> DAG:
    """`train_<model>`: decide -> [search ->] train -> judge -> register -> [approve ->] promote."""
    judged, champion, schedule = assets.training(model), assets.champion(model), schedule_of(model, "train", HOME)
    with make_dag("train", model, purpose=__doc__, schedule=schedule, params=training_params(model)) as dag:

        @task(doc_md="Whether to train: cooldown, new labelled rows, runs per week. A run by hand overrules, recorded.")
        def decide(*, params: dict[str, Any]) -> dict[str, Any]:
            return training.decide(run_context(HOME), model, params)

        @task(
            doc_md="Trains the candidates on one dataset version, exports the best to ONNX: one MLflow run.",
            trigger_rule="none_failed",  # no batch of trials is no reason not to train
        )
        def train(decision: dict[str, Any], searched: Any = None, *, params: dict[str, Any]) -> str:
            return training.train(run_context(HOME), model, decision, searched, params)

        @task(
            outlets=[judged],
            doc_md="Candidate against baselines and the champion on the same hold-out; every gate fails closed.",
        )
        def judge(mlflow_run_id: str, *, outlet_events: Any) -> dict[str, Any]:
            verdict = training.judge(run_context(HOME), model, mlflow_run_id)
            outlet_events[judged].extra = {"mlflow_run_id": mlflow_run_id, "accepted": verdict["accepted"]}
            return verdict

        @task(
            outlets=[assets.challenger(model)],
            doc_md="Registers the candidate as challenger, and decides: promote, ask a person, or neither.",
        )
        def register(verdict: dict[str, Any]) -> str:
            return training.register(run_context(HOME), model, verdict)

        @task(
            outlets=[champion],
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc_md="Challenger becomes champion, the old champion previous; red without an approval in the journal.",
        )
        def promote(version: str, *, outlet_events: Any) -> None:
            outlet_events[champion].extra = release.promote(run_context(HOME), model, version)

        decision = decide()
        version = register(judge(train(decision, search(model, HOME, decision))))
        version >> PromotionApproval(model=model, after="register", doc_md=APPROVAL_DOC) >> promote(version)
    return dag


for declared in declared_models(HOME):
    globals()[f"train_{declared.name}"] = build(declared)
