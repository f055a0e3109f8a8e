"""Accepts the events that other systems post: a payload as declared goes on, any other is refused and recorded.

Post to the asset `event_<name>.<model>` through Airflow's REST API; see `docs/triggers.md`. Pipelines wait for the
asset `<name>.<model>`, for which only an accepted event is emitted. A refusal turns `report_refusals` red, and so
alerts.
"""

from functools import reduce
from operator import or_
from typing import Any

from airflow.sdk import DAG, Asset, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.triggers import EventTrigger
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.runs import run_context
from almanac_airflow.steps import triggers as steps

HOME = Home()


def build(model: Model, names: list[str]) -> DAG:
    """`event_<model>`: check -> one accept_<name> for each declared event, report_refusals."""
    posted = [assets.event(model, name) for name in names]
    with make_dag(
        "event", model, purpose=__doc__, schedule=reduce(or_, posted), triggered_by="when an event was posted"
    ) as dag:

        @task(
            inlets=posted,
            doc_md="Checks the payload of each event that has no decision yet; the journal keeps every decision.",
        )
        def check(*, inlet_events: Any) -> dict[str, list[dict[str, Any]]]:
            return steps.check_posted(run_context(HOME), model, names, inlet_events)

        @task(doc_md="Fails, and so alerts, when an event was refused; says why.")
        def report_refusals(checked: dict[str, list[dict[str, Any]]]) -> None:
            steps.report_refused(model, checked)

        checked = check()
        for name in names:
            _accept(model, name, assets.trigger(model, name))(checked)
        report_refusals(checked)
    return dag


def _accept(model: Model, name: str, accepted: Asset) -> Any:
    @task(
        task_id=f"accept_{name}",
        outlets=[accepted],
        doc_md="Emits the trigger's event with the payloads; skipped when none was accepted.",
    )
    def accept(checked: dict[str, list[dict[str, Any]]], *, outlet_events: Any) -> None:
        outlet_events[accepted].extra = steps.accept_posted(run_context(HOME), model, name, checked)

    return accept


for declared in declared_models(HOME):
    if events := sorted(name for name, each in declared.triggers.items() if isinstance(each, EventTrigger)):
        globals()[f"event_{declared.name}"] = build(declared, events)
