"""Emits the asset event of a declared schedule that a rule combines with something else (`tides and nightly`).

Airflow can wait for several assets, but not for an asset *and* a time; so each tick of the schedule emits an event. A
schedule that stands alone in its rule needs no such DAG: it is part of the pipeline's own schedule.
"""

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import schedule_names
from almanac.config.sections.triggers import ScheduleTrigger
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.timetables import DeclaredSchedule

HOME = Home()


def build(model: Model, name: str, trigger: ScheduleTrigger) -> DAG:
    """`clock_<model>_<name>`: one task that emits the event."""
    with make_dag(
        "clock", model, purpose=__doc__, name=name, schedule=DeclaredSchedule([trigger]), triggered_by=trigger.words()
    ) as dag:

        @task(
            task_id="strike",
            outlets=[assets.trigger(model, name)],
            doc_md="Emits the event of this tick; the pipelines that wait for it look for new data themselves.",
        )
        def emit_tick() -> None:
            """Its success emits the event."""

        emit_tick()
    return dag


for declared in declared_models(HOME):
    for name in schedule_names(declared):
        trigger = declared.triggers[name]
        if isinstance(trigger, ScheduleTrigger):
            globals()[f"clock_{declared.name}_{name}"] = build(declared, name, trigger)
