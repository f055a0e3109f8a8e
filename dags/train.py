"""Trains candidates, lets them pass the gates, promotes what beats the champion, or is as good and newer.

The first task decides by the durable policy whether to train, and writes down why. A refusal, there or at the gates, is
a green run: the decision and its reasons stand in the task's XCom, in MLflow and in the journal.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.operators.approval import APPROVAL_DOC, PromotionApproval
from almanac_airflow.params import training_params
from almanac_airflow.schedules import schedule_of
from almanac_airflow.trials import search

HOME = Home()


def build(model: Model) -> DAG:
    """`train_<model>`: decide -> [search ->] train -> judge -> register -> [approve ->] promote."""
    training, champion, schedule = assets.training(model), assets.champion(model), schedule_of(model, "train", HOME)
    with model_dag("train", model, purpose=__doc__, schedule=schedule, params=training_params(model)) as dag:

        @task(doc_md="Whether to train: cooldown, fresh labelled rows, runs per week. By hand overrules, in writing.")
        def decide(*, params: dict[str, Any]) -> dict[str, Any]:
            from almanac_airflow.training import decide

            return decide(model, HOME, params)

        @task(
            doc_md="Trains the candidates on one dataset version, exports the best to ONNX: one MLflow run.",
            trigger_rule="none_failed",  # no batch of trials is no reason not to train
        )
        def train(decision: dict[str, Any], searched: Any = None, *, params: dict[str, Any]) -> str:
            from almanac_airflow.training import train_as_decided

            return train_as_decided(model, HOME, decision, searched, params)

        @task(
            outlets=[training],
            doc_md="Candidate against naive rules and the champion on the same hold-out; every gate fails closed.",
        )
        def judge(mlflow_run_id: str, *, outlet_events: Any) -> dict[str, Any]:
            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.release.run_judgement import judge
            from almanac_airflow.runs import current_run, now, told

            journal, registry = Journal(HOME.journal_url), Registry.of(HOME)
            decision = judge(model, HOME, journal, registry, mlflow_run_id, run=current_run(), now=now())
            outlet_events[training].extra = {"mlflow_run_id": mlflow_run_id, "accepted": decision.accepted}
            return {"mlflow_run_id": mlflow_run_id, **told(decision)}

        @task(
            outlets=[assets.challenger(model)],
            doc_md="Registers the candidate as challenger, and decides: promote, ask a person, or neither.",
        )
        def register(verdict: dict[str, Any]) -> str:
            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.release.promotion import register
            from almanac_airflow.branching import desk, go_on
            from almanac_airflow.runs import current_run, now

            if not verdict["accepted"]:
                raise AirflowSkipException("; ".join(verdict["reasons"]))
            registry, journal, run = Registry.of(HOME), Journal(HOME.journal_url), current_run()
            made = register(registry, model.name, verdict["mlflow_run_id"], run=run, journal=journal, now=now())
            return go_on(desk(model, HOME, made.version))

        @task(
            outlets=[champion],
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc_md="Challenger becomes champion, the old champion previous; red without a yes in the journal.",
        )
        def promote(version: str, *, outlet_events: Any) -> None:
            from almanac.release.approval import promote_as_answered
            from almanac_airflow.branching import desk

            done = promote_as_answered(desk(model, HOME, version))
            if not done.accepted:
                raise AirflowSkipException("; ".join(done.reasons))
            outlet_events[champion].extra = {"version": version}

        decision = decide()
        version = register(judge(train(decision, search(model, HOME, decision))))
        version >> PromotionApproval(model=model, after="register", doc_md=APPROVAL_DOC) >> promote(version)
    return dag


for declared in declared_models(HOME):
    globals()[f"train_{declared.name}"] = build(declared)
