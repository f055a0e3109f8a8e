"""Lets in the events that somebody outside posts: a payload as declared goes on, any other is refused and recorded.

Post to the asset `event_<name>.<model>` through Airflow's REST API; see `docs/triggers.md`. Pipelines wait for the
asset `<name>.<model>`, which only an accepted event rings. A refusal turns `report_refusals` red, and so alerts.
"""

from functools import reduce
from operator import or_
from typing import Any

from airflow.sdk import DAG, Asset, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.triggers import EventTrigger
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag

HOME = Home()


def build(model: Model, names: list[str]) -> DAG:
    """`event_<model>`: check -> one accept_<name> for each declared event, report_refusals."""
    schedule = reduce(or_, [assets.event(model, name) for name in names])
    with model_dag("event", model, purpose=__doc__, schedule=schedule, wakes="when an event was posted") as dag:

        @task(
            inlets=[assets.event(model, name) for name in names],
            doc_md="Checks the payload of each event that has no decision yet; the journal keeps every decision.",
        )
        def check(*, inlet_events: Any) -> dict[str, list[dict[str, Any]]]:
            from almanac.events.posted import decide_postings
            from almanac.journal.journal import Journal
            from almanac_airflow.postings import read_postings
            from almanac_airflow.runs import current_run, now

            journal, run = Journal(HOME.journal_url), current_run()
            checked: dict[str, list[dict[str, Any]]] = {"accepted": [], "refused": []}
            for name in names:
                postings = read_postings(model, name, journal, inlet_events)
                for event, decision in decide_postings(model, journal, postings, run=run, now=now()):
                    checked["accepted" if decision.accepted else "refused"].append(
                        {"trigger": name, "payload": event.payload, "reasons": "; ".join(decision.reasons)}
                    )
            if not any(checked.values()):
                raise AirflowSkipException("every posted event has its decision")
            return checked

        @task(doc_md="Fails, and so alerts, when an event was refused; says why.")
        def report_refusals(checked: dict[str, list[dict[str, Any]]]) -> None:
            from almanac.events.checking import raise_refusals

            raise_refusals(model.name, checked["refused"])

        checked = check()
        for name in names:
            _accept(model, name, assets.trigger(model, name))(checked)
        report_refusals(checked)
    return dag


def _accept(model: Model, name: str, rings: Asset) -> Any:
    @task(task_id=f"accept_{name}", outlets=[rings], doc_md="Rings with the payloads; skipped when none was accepted.")
    def accept(checked: dict[str, list[dict[str, Any]]], *, outlet_events: Any) -> None:
        from almanac.events.checking import accepted_payloads
        from almanac.journal.journal import Journal
        from almanac_airflow.runs import current_run

        payloads = [each["payload"] for each in checked["accepted"] if each["trigger"] == name]
        accepted = accepted_payloads(model, Journal(HOME.journal_url), name, payloads, run=current_run())
        if not accepted:
            raise AirflowSkipException("no event of this name was accepted, by the journal")
        outlet_events[rings].extra = {"payloads": accepted}

    return accept


for declared in declared_models(HOME):
    if events := sorted(name for name, each in declared.triggers.items() if isinstance(each, EventTrigger)):
        globals()[f"event_{declared.name}"] = build(declared, events)
