"""Trains candidates, lets them pass the gates, and promotes the one that has beaten what is in production.

The first task decides by the durable policy (cooldown, fresh labelled rows, runs per week) whether to train, and writes
down why. A refusal, there or at the gates, is a green run: the decision and its reasons stand in the task's XCom, in
MLflow and in the journal.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException
from almanac import assets
from almanac.dags import declared_models, model_dag
from almanac.operators.approval import APPROVAL_DOC, PromotionApproval
from almanac.params import training_params
from almanac.schedules import schedule_of

from include.config.home import Home
from include.config.schema import Model

HOME = Home()


def search(model: Model, decision: Any) -> Any:
    """What the trials in tasks of their own have found. Where no search can take long, there are no such tasks."""
    if not any(each.search.may_be_long for each in model.train.candidates.values() if each.search):
        return None

    @task(doc_md="Cuts the trials of a search into tasks of about a minute; none when they are short.")
    def plan_search(decision: dict[str, Any], *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from almanac.runs import now

        from include.training.search_run import plan_search

        if not decision["accepted"] or decision["mode"] == "incremental":
            return []
        batches = plan_search(
            model, HOME, now=now(), candidates=params["candidates"], overrides=params["overrides"],
            on_progress=print,
        )  # fmt: skip
        return [batch.to_dict() for batch in batches]

    @task(
        doc_md="Tries parameters on the folds before the hold-out.",
        max_active_tis_per_dagrun=model.train.trials.parallel,
        **({"pool": model.train.trials.pool} if model.train.trials.pool else {}),
    )
    def try_out(batch: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
        from include.training.search_run import Batch, run_batch

        known = Batch.from_dict(batch)
        trials = run_batch(model, HOME, known, overrides=params["overrides"], on_progress=print)
        rows = {"dataset_version": known.dataset_version, "now": known.now}
        return {**rows, "trials": [trial.to_dict() for trial in trials]}

    return try_out.expand(batch=plan_search(decision))


def build(model: Model) -> DAG:
    """`train_<model>`: decide -> [search ->] train -> judge -> register -> [approve ->] promote."""
    champion = assets.champion(model)
    schedule = schedule_of(model, "train", HOME)
    with model_dag("train", model, purpose=__doc__, schedule=schedule, params=training_params(model)) as dag:

        @task(doc_md="Whether to train: cooldown, fresh labelled rows, runs per week. By hand overrules, in writing.")
        def decide(*, params: dict[str, Any]) -> dict[str, Any]:
            from almanac.runs import current_run, now, training_trigger

            from include.journal.journal import Journal
            from include.registry.store import Registry
            from include.training.training_run import ask

            trigger, reason = training_trigger(model, params["reason"])
            journal, registry = Journal(HOME.journal_url), Registry.of(HOME)
            asked = ask(
                model, HOME, journal, registry, trigger=trigger, reason=reason, run=current_run(), now=now(),
                mode=params["mode"], by_hand=bool(params["candidates"] or params["overrides"]),
            )  # fmt: skip
            said = asked.decision
            return {
                "accepted": said.accepted,
                "reasons": list(said.reasons),
                "figures": said.figures,
                "mode": asked.mode,
            }

        @task(
            doc_md="Trains the candidates on one dataset version, exports the best to ONNX: one MLflow run.",
            trigger_rule="none_failed",  # no batch of trials is no reason not to train
        )
        def train(decision: dict[str, Any], searched: Any = None, *, params: dict[str, Any]) -> str:
            from almanac.channels import teller
            from almanac.runs import current_run, now

            from include.registry.records import Tag
            from include.registry.store import Registry
            from include.training.search_run import searched_in
            from include.training.telling import tell_warnings
            from include.training.training_run import train

            if not decision["accepted"]:
                raise AirflowSkipException("; ".join(decision["reasons"]))
            registry = Registry.of(HOME)
            logged = train(
                model, HOME, registry, reason=decision["reasons"][0], run=current_run(), now=now(),
                candidates=params["candidates"], overrides=params["overrides"], on_progress=print,
                mode=decision["mode"], searched=searched_in(list(searched or [])),
            )  # fmt: skip
            said = registry.logged(logged).tags.get(Tag.WARNINGS, "")
            tell_warnings(teller(), model, said, run=current_run(), now=now())
            return logged

        @task(doc_md="Candidate against naive rules and the champion on the same hold-out; every gate fails closed.")
        def judge(mlflow_run_id: str) -> dict[str, Any]:
            from almanac.runs import current_run, now

            from include.journal.journal import Journal
            from include.registry.store import Registry
            from include.training.training_run import judge

            journal, registry = Journal(HOME.journal_url), Registry.of(HOME)
            decision = judge(model, HOME, journal, registry, mlflow_run_id, run=current_run(), now=now())
            verdict = {"accepted": decision.accepted, "reasons": list(decision.reasons), "figures": decision.figures}
            return {"mlflow_run_id": mlflow_run_id, **verdict, "ask": list(decision.ask)}

        @task(doc_md="Registers the candidate as challenger, and decides: promote, ask a person, or neither.")
        def register(verdict: dict[str, Any]) -> str:
            from almanac.branching import go_on
            from almanac.runs import current_run, now

            from include.journal.journal import Journal
            from include.registry.promotion import register
            from include.registry.store import Registry

            if not verdict["accepted"]:
                raise AirflowSkipException("; ".join(verdict["reasons"]))
            registry, journal, run = Registry.of(HOME), Journal(HOME.journal_url), current_run()
            run_id = verdict["mlflow_run_id"]
            version = register(registry, model.name, run_id, run=run, journal=journal, now=now()).version
            return go_on(model, HOME, registry, journal, version, run=run, now=now())

        @task(
            outlets=[champion],
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc_md="Challenger becomes champion, the old champion previous; in one place, with an audit row.",
        )
        def promote(version: str, *, outlet_events: Any) -> None:
            from almanac.runs import current_run, now

            from include.journal.journal import Journal
            from include.registry.approval import promote_as_answered
            from include.registry.store import Registry

            journal = Journal(HOME.journal_url)
            done = promote_as_answered(Registry.of(HOME), model, version, run=current_run(), journal=journal, now=now())
            if not done.accepted:
                raise AirflowSkipException("; ".join(done.reasons))
            outlet_events[champion].extra = {"version": version}

        decision = decide()
        version = register(judge(train(decision, search(model, decision))))
        approve = PromotionApproval(model=model, after="register", doc_md=APPROVAL_DOC)
        version >> approve >> promote(version)
    return dag


for declared in declared_models(HOME):
    globals()[f"train_{declared.name}"] = build(declared)
