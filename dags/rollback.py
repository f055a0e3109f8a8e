"""Puts an earlier version back into production at once.

Started by a person, who says why: the earlier version is loaded and its hash checked, then the alias moves, and the
version that leaves is marked, so that it never comes back by itself. `rollback_drill_<model>` proves on a schedule
that this would work: it does all of it but the move, and scores the newest rows.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import cron, declared_models, model_dag
from almanac_airflow.params import rollback_params

HOME = Home()


def build(model: Model) -> DAG:
    """`rollback_<model>`: one task."""
    champion = assets.champion(model)
    with model_dag("rollback", model, purpose=__doc__, schedule=None, params=rollback_params()) as dag:

        @task(outlets=[champion], doc_md="Verifies the earlier version, makes it champion, writes down who and why.")
        def roll_back(*, params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
            from dataclasses import asdict

            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.release.promotion import roll_back
            from almanac_airflow.runs import current_run, now

            done = roll_back(
                Registry.of(HOME), model.name, to=params["to"], reason=params["reason"],
                run=current_run(), journal=Journal(HOME.journal_url), now=now(),
            )  # fmt: skip
            outlet_events[champion].extra = {"version": done.to_version, "reason": params["reason"]}
            return asdict(done)

        roll_back()
    return dag


def build_drill(model: Model) -> DAG:
    """`rollback_drill_<model>`: one task."""
    with model_dag("rollback_drill", model, purpose=__doc__, schedule=cron(model.rollback.drill)) as dag:

        @task(doc_md="Loads previous, checks its hash, scores the newest rows; red, and told, when it cannot.")
        def prove_previous() -> dict[str, Any]:
            from almanac.errors import RegistryError
            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.release.drill import drill
            from almanac_airflow.runs import current_run, now

            proof = drill(
                model, HOME, Registry.of(HOME), Journal(HOME.journal_url), run=current_run(), now=now()
            )  # fmt: skip
            if proof is None:
                raise AirflowSkipException("no previous version yet: nothing to roll back to")
            if not proof.accepted:
                raise RegistryError(f"{proof.subject} could not take over: {'; '.join(proof.reasons)}")
            return {"subject": proof.subject, "figures": proof.figures}

        prove_previous()
    return dag


for declared in declared_models(HOME):
    globals()[f"rollback_{declared.name}"] = build(declared)
    globals()[f"rollback_drill_{declared.name}"] = build_drill(declared)
