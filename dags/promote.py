"""Promotes a registered version: one that a person names, or one that has scored well in shadow.

A person who starts it by hand says why: any version whose gates passed becomes champion, at once if that person is one
of those who may decide alone (`approval`), else after one of them has answered. After a shadow run the YAML decides
whether it is promoted or a person is asked first.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import declared_models, model_dag
from almanac_airflow.operators.approval import APPROVAL_DOC, PromotionApproval
from almanac_airflow.params import promotion_params

HOME = Home()


def build(model: Model) -> DAG:
    """`promote_<model>`: propose -> (approve) -> promote."""
    champion, schedule = assets.champion(model), [assets.shadow(model)] if model.shadow is not None else None
    with model_dag("promote", model, purpose=__doc__, schedule=schedule, params=promotion_params()) as dag:

        @task(doc_md="Which version, and whether a person is asked about it.")
        def propose(*, params: dict[str, Any]) -> str:
            from almanac.journal.journal import Journal
            from almanac.release.approval import decide_by_hand
            from almanac_airflow.branching import ask_nobody, desk, go_on
            from almanac_airflow.runs import started_by_hand, version_param

            version, reason = version_param(model, Journal(HOME.journal_url), params["version"], params["reason"])
            at = desk(model, HOME, version)
            if not reason:
                return go_on(at)
            why_not_alone = decide_by_hand(at, started_by_hand(), reason)
            return go_on(at, by_hand=f"{reason}; {why_not_alone}") if why_not_alone else ask_nobody(version)

        @task(
            outlets=[champion],
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc_md="The version becomes champion, the old champion previous; red without a yes in the journal.",
        )
        def promote(version: str, *, params: dict[str, Any], outlet_events: Any) -> None:
            from almanac.release.approval import promote_as_answered
            from almanac_airflow.branching import desk

            by_hand = params["reason"] or ""
            version = params["version"] if by_hand else version  # the form cannot be changed after the start, XCom can
            done = promote_as_answered(desk(model, HOME, version), by_hand=by_hand)
            if not done.accepted:
                raise AirflowSkipException("; ".join(done.reasons))
            outlet_events[champion].extra = {"version": version}

        version = propose()
        approve = PromotionApproval(model=model, after="propose", doc_md=APPROVAL_DOC)
        version >> approve >> promote(version)
    return dag


for declared in declared_models(HOME):
    globals()[f"promote_{declared.name}"] = build(declared)
