"""Watches what runs: data, predictions, performance, supply, ages, other versions and the runs themselves.

Writes a report page, and does what the model declares for what has lasted (`monitor.actions`): it rings the retrain
request, puts the previous version back, stops scoring, or asks a person and does what the person says. Whether a
retrain is granted is decided, and written down, by the train DAG's policy. From insufficient data nothing follows.
What must be done is read from the journal by the task that does it.
"""

from typing import Any

from airflow.sdk import DAG, TaskGroup, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.operators.decision import AlarmDecision
from almanac_airflow.schedules import schedule_of

HOME = Home()
_MAX_RUNS = 16


def build(model: Model) -> DAG:
    """`monitor_<model>`: watch -> request_retrain, put_previous_back, stop_scoring; ask -> the same, as answered."""
    retrain_request, champion = assets.retrain_request(model), assets.champion(model)
    schedule = schedule_of(model, "monitor", HOME)
    # A question waits for days, and what happens meanwhile must be seen: other runs go on, one watch at a time.
    with model_dag("monitor", model, purpose=__doc__, schedule=schedule, max_active_runs=_MAX_RUNS) as dag:

        @task(
            max_active_tis_per_dag=1,
            doc_md="Evaluates the newest windows and all that belongs to them; writes the report, tells people.",
        )
        def watch() -> dict[str, Any]:
            from almanac.journal.journal import Journal
            from almanac.monitoring.monitor import monitor
            from almanac.monitoring.telling import tell_findings
            from almanac.registry.store import Registry
            from almanac_airflow.access.connections import task_history
            from almanac_airflow.events import require_event
            from almanac_airflow.handled import handling
            from almanac_airflow.notifiers.channels import teller
            from almanac_airflow.runs import current_run, link, now

            require_event(model, HOME, "monitor")
            journal, history = Journal(HOME.journal_url), task_history(HOME)
            registry, run = Registry.of(HOME), current_run()
            with handling(model, HOME, "monitor"):
                result = monitor(model, HOME, journal, registry, run=run, now=now(), history=history, link=link())
            tell_findings(model, result, teller(run), run=run, link=link(), now=now())
            return result.summary()

        @task(outlets=[retrain_request], doc_md="Rings the retrain request with its reasons; skipped without one.")
        def request_retrain(as_answered: bool, *, outlet_events: Any) -> None:
            from almanac_airflow.runs import wanted

            found = wanted(model, HOME, "retrain", as_answered=as_answered)
            outlet_events[retrain_request].extra = {"reason": "; ".join(found.reasons), "subject": found.subject}

        @task(outlets=[champion], doc_md="Puts the version before back into production, audited; skipped unless asked.")
        def put_previous_back(as_answered: bool, *, outlet_events: Any) -> None:
            from almanac.journal.journal import Journal
            from almanac.monitoring.carry_out import put_previous_back
            from almanac.registry.store import Registry
            from almanac_airflow.runs import current_run, now, wanted

            journal, found = Journal(HOME.journal_url), wanted(model, HOME, "previous", as_answered=as_answered)
            version = put_previous_back(
                model, Registry.of(HOME), journal, found.version, found.reasons, run=current_run(), now=now()
            )
            if version is None:
                raise AirflowSkipException("there is no previous version, or the champion has changed meanwhile")
            outlet_events[champion].extra = {"version": version}

        @task(doc_md="Stops scoring until a person resumes it; skipped unless asked.")
        def stop_scoring(as_answered: bool) -> None:
            from almanac.journal.journal import Journal
            from almanac.scoring.pause import stop_scoring
            from almanac_airflow.runs import current_run, now, wanted

            reason = "; ".join(wanted(model, HOME, "stop_scoring", as_answered=as_answered).reasons)
            stop_scoring(Journal(HOME.journal_url), model.name, reason=reason, run=current_run(), now=now())

        found = watch()
        for act in (request_retrain, put_previous_back, stop_scoring):
            found >> act(as_answered=False)
        with TaskGroup("a_person_decides"):
            ask = AlarmDecision(model=model, after="watch")
            found >> ask
            for act in (request_retrain, put_previous_back, stop_scoring):
                ask >> act.override(task_id=f"{act.function.__name__}_as_answered")(as_answered=True)
    return dag


for declared in declared_models(HOME):
    globals()[f"monitor_{declared.name}"] = build(declared)
