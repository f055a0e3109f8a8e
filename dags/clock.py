"""Strikes for a declared schedule that a rule waits for together with something else (`tides and nightly`).

Airflow can wait for several assets, but not for an asset *and* a time; so the time rings an asset. A schedule that
stands alone in its rule needs no clock: it is part of the pipeline's own schedule.
"""

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import clocked
from almanac.config.sections.triggers import ScheduleTrigger
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.timetables import DeclaredSchedule

HOME = Home()


def build(model: Model, name: str, trigger: ScheduleTrigger) -> DAG:
    """`clock_<model>_<name>`: one task that rings."""
    with model_dag(
        "clock", model, purpose=__doc__, name=name, schedule=DeclaredSchedule([trigger]), wakes=trigger.words()
    ) as dag:

        @task(outlets=[assets.trigger(model, name)], doc_md="Rings; who waits for it looks for new data itself.")
        def strike() -> None:
            """Nothing is left to do: that this task succeeds is the bell."""

        strike()
    return dag


for declared in declared_models(HOME):
    for name in clocked(declared):
        trigger = declared.triggers[name]
        if isinstance(trigger, ScheduleTrigger):
            globals()[f"clock_{declared.name}_{name}"] = build(declared, name, trigger)
