"""Trains candidates, lets them pass the gates, and promotes the one that has beaten what is in production.

Woken by new data, by a schedule, by a retrain request, or by a person with parameters. The first task decides by the
durable policy (cooldown, fresh labelled rows, runs per week) whether to train, and writes down why. A refusal, there
or at the gates, is a green run: the decision and its reasons stand in the task's XCom, in MLflow and in the journal.
"""

from functools import reduce
from operator import or_
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, task
from almanac import assets
from almanac.dags import declared_models, model_dag
from almanac.params import training_params

from include.config.home import Home
from include.config.schema import Model

HOME = Home()


def build(model: Model) -> DAG:
    """`train_<model>`: decide -> train -> judge -> register -> promote."""
    champion = assets.champion(model)
    with model_dag("train", model, purpose=__doc__, schedule=_schedule(model), params=training_params(model)) as dag:

        @task
        def decide() -> dict[str, Any]:
            """Whether to train: cooldown, fresh labelled rows, runs per week. By hand overrules, and is recorded."""
            from almanac.training import decide

            return decide(model, HOME)

        @task
        def train(decision: dict[str, Any], *, params: dict[str, Any]) -> str:
            """Trains the candidates on one dataset version, exports the best to ONNX, logs it all as one MLflow run."""
            from almanac.training import train

            return train(model, HOME, decision, params)

        @task
        def judge(mlflow_run_id: str) -> dict[str, Any]:
            """Candidate against naive rules and the champion on the same hold-out; every gate fails closed."""
            from almanac.training import judge

            return judge(model, HOME, mlflow_run_id)

        @task
        def register(verdict: dict[str, Any]) -> str:
            """Registers the candidate as challenger; skipped when a gate refused it."""
            from almanac.training import register

            return register(model, HOME, verdict)

        @task(outlets=[champion])
        def promote(version: str, *, outlet_events: Any) -> None:
            """Makes the challenger champion and the old champion previous; skipped when promotion is by hand."""
            from almanac.training import promote

            outlet_events[champion].extra = promote(model, HOME, version)

        promote(register(judge(train(decide()))))
    return dag


def _schedule(model: Model) -> Any:
    triggers = model.train.triggers
    wanted: list[Asset] = []
    if triggers.new_data:
        wanted.append(assets.dataset(model))
    if triggers.retrain_request:
        wanted.append(assets.retrain_request(model))
    timetable = CronTriggerTimetable(triggers.schedule, timezone="UTC") if triggers.schedule else None
    if not wanted:
        return timetable
    any_of = reduce(or_, wanted)
    return AssetOrTimeSchedule(timetable=timetable, assets=any_of) if timetable else any_of


for declared in declared_models(HOME):
    globals()[f"train_{declared.name}"] = build(declared)
