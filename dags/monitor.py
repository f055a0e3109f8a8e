"""Monitors what runs: data, predictions, performance, data freshness, other versions, and the runs themselves.

Writes a report page, and does what the model declares for an alarm that has lasted (`monitor.actions`): it requests a
retrain, makes the previous version champion again, stops scoring, or asks a person and does what the person answers.
Whether a requested training takes place is decided, and recorded, by the policy of the train DAG. Insufficient data
leads to no action. What no finding requires is skipped; a task that acts reads from the journal what is to be done.
"""

from typing import Any

from airflow.sdk import DAG, TaskGroup, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.monitoring import Action
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.operators.decision import AlarmDecision
from almanac_airflow.operators.scoring import MonitorOperator
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import monitoring as steps

HOME = Home()
_MAX_RUNS = 16
STARTS: dict[Action, str] = {
    "retrain": "request_retrain",
    "previous": "put_previous_back",
    "stop_scoring": "stop_scoring",
    "ask": "a_person_decides.ask",
}


def build(model: Model) -> DAG:
    """`monitor_<model>`: watch -> request_retrain, put_previous_back, stop_scoring; ask -> the same, as answered."""
    retrain_request, champion = assets.retrain_request(model), assets.champion(model)
    schedule = schedule_of(model, "monitor", HOME)
    # A question waits for days, and what happens meanwhile must be seen: other runs go on, one watch at a time.
    with make_dag("monitor", model, purpose=__doc__, schedule=schedule, max_active_runs=_MAX_RUNS) as dag:

        @task(outlets=[retrain_request], doc_md="Emits the retrain request with its reasons; skipped without one.")
        def request_retrain(as_answered: bool, *, outlet_events: Any) -> None:
            outlet_events[retrain_request].extra = steps.request_retrain(
                run_context(HOME), model, as_answered=as_answered
            )

        @task(outlets=[champion], doc_md="Makes the previous version champion again, audited; skipped unless asked.")
        def put_previous_back(as_answered: bool, *, outlet_events: Any) -> None:
            outlet_events[champion].extra = steps.put_previous_back(run_context(HOME), model, as_answered=as_answered)

        @task(doc_md="Stops scoring until a person resumes it; skipped unless asked.")
        def stop_scoring(as_answered: bool) -> None:
            steps.stop_scoring(run_context(HOME), model, as_answered=as_answered)

        found = MonitorOperator(
            task_id="watch", model=model.name, dataset_of=model.dataset.of, starts=STARTS, max_active_tis_per_dag=1
        )
        for action in (request_retrain, put_previous_back, stop_scoring):
            found >> action(as_answered=False)
        with TaskGroup("a_person_decides"):
            ask = AlarmDecision(model=model, after="watch")
            found >> ask
            for action in (request_retrain, put_previous_back, stop_scoring):
                ask >> action.override(task_id=f"{action.function.__name__}_as_answered")(as_answered=True)
    return dag


for declared in declared_models(HOME):
    globals()[f"monitor_{declared.name}"] = build(declared)
