"""Promotes a registered version: one that a person names, or one that has scored well in shadow.

A person who starts it by hand decides, and says why: any version whose gates passed becomes champion at once. After a
shadow run the YAML decides whether it is promoted or a person is asked first.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException
from almanac import assets
from almanac.dags import declared_models, model_dag
from almanac.operators.approval import APPROVAL_DOC, PromotionApproval
from almanac.params import promotion_params

from include.config.home import Home
from include.config.schema import Model

HOME = Home()


def build(model: Model) -> DAG:
    """`promote_<model>`: propose -> (approve) -> promote."""
    champion, schedule = assets.champion(model), [assets.shadow(model)] if model.shadow is not None else None
    with model_dag("promote", model, purpose=__doc__, schedule=schedule, params=promotion_params()) as dag:

        @task(doc_md="Which version, and whether a person is asked about it.")
        def propose(*, params: dict[str, Any]) -> str:
            from almanac.branching import ask_nobody, go_on
            from almanac.runs import current_run, now, version_param

            from include.journal.journal import Journal
            from include.registry.store import Registry

            version, reason = version_param(params["version"], params["reason"])
            if reason:
                ask_nobody(version)
            registry, journal = Registry.of(HOME), Journal(HOME.journal_url)
            return go_on(model, HOME, registry, journal, version, run=current_run(), now=now())

        @task(
            outlets=[champion],
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc_md="The version becomes champion, the old champion previous; in one place, with an audit row.",
        )
        def promote(version: str, *, params: dict[str, Any], outlet_events: Any) -> None:
            from almanac.runs import current_run, now

            from include.journal.journal import Journal
            from include.registry.approval import promote_as_answered
            from include.registry.store import Registry

            done = promote_as_answered(
                Registry.of(HOME), model, version, by_hand=params["reason"] or "",
                run=current_run(), journal=Journal(HOME.journal_url), now=now(),
            )  # fmt: skip
            if not done.accepted:
                raise AirflowSkipException("; ".join(done.reasons))
            outlet_events[champion].extra = {"version": version}

        version = propose()
        approve = PromotionApproval(model=model, after="propose", doc_md=APPROVAL_DOC)
        version >> approve >> promote(version)
    return dag


for declared in declared_models(HOME):
    globals()[f"promote_{declared.name}"] = build(declared)
