"""Strikes for a declared schedule that a rule waits for together with something else (`tides and nightly`).

Airflow can wait for several assets, but not for an asset *and* a time; so the time rings an asset. A schedule that
stands alone in its rule needs no clock: it is part of the pipeline's own schedule.
"""

from airflow.sdk import DAG, task
from almanac import assets
from almanac.dags import declared_models, model_dag
from almanac.timetables import DeclaredSchedule

from include.config.home import Home
from include.config.pipelines import clocked
from include.config.schema import Model
from include.config.triggers import ScheduleTrigger

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
