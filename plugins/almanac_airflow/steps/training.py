"""From the decision to train to the verdict on the candidate."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Model

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def decide(
    context: "RunContext", model: Model, params: Mapping[str, Any], *, ask_policy: bool = True
) -> dict[str, Any]:
    """Decide whether to train; what triggered the run counts only if the journal or the registry knows of it.

    Args:
        context: of the running task.
        model: whose.
        params: the form of the run.
        ask_policy: False: the author of the DAG wants the training whatever the policy says, as a person who starts a
            run by hand; the decision is recorded.

    Returns:
        The decision as the next task reads it, and the mode.
    """
    from almanac.events.requests import answer_requests, pending_requests
    from almanac.training.training_run import decide_mode
    from almanac_airflow.events import triggering_events
    from almanac_airflow.handled import handling
    from almanac_airflow.runs import decision_xcom, training_trigger
    from almanac_airflow.schedules import satisfied

    events = triggering_events(context, model, "train")
    if events.refused and not satisfied(model, "train", events.names, context.home):
        return {"accepted": False, "reasons": list(events.refused), "figures": {}, "ask": [], "mode": "scratch"}
    trigger, reason = training_trigger(model, events, params["reason"])
    if not ask_policy:
        trigger, reason = "manual", params["reason"] or f"{context.run.dag_id} trains without asking the policy"
    requests = pending_requests(context.journal, model, context.run) if trigger == "retrain_request" else []
    with handling(context, model, "train"):
        asked = decide_mode(
            model,
            context.home,
            context.journal,
            context.registry,
            trigger=trigger,
            reason=reason,
            now=context.now,
            run=context.run,
            mode=params["mode"],
            by_hand=bool(params["candidates"] or params["overrides"]),
        )
        answer_requests(context, model, requests, asked.decision)
    verdict = "a training is granted" if asked.decision.accepted else "no training"
    print(f"{model.name}: {verdict}: {'; '.join(asked.decision.reasons)}")  # noqa: T201 - the task's log
    return {**decision_xcom(asked.decision), "mode": asked.mode}


def plan_search(
    context: "RunContext", model: Model, decision: Mapping[str, Any], params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The trials of a parameter search, in batches for one task each; none when they are short."""
    from almanac.training.fit.search_run import plan_search

    if not decision["accepted"] or decision["mode"] == "incremental":
        return []
    batches = plan_search(
        model,
        context.home,
        now=context.now,
        candidates=params["candidates"],
        overrides=params["overrides"],
        on_progress=print,
    )
    return [batch.to_dict() for batch in batches]


def run_trials(
    context: "RunContext", model: Model, batch: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Run one batch of trials."""
    from almanac.training.fit.search_run import Batch, run_batch

    known = Batch.from_dict(batch)
    trials = run_batch(model, context.home, known, overrides=params["overrides"], on_progress=print)
    rows = {"dataset_version": known.dataset_version, "joined": dict(known.joined), "now": known.now}
    return {**rows, "trials": [trial.to_dict() for trial in trials]}


def train(
    context: "RunContext",
    model: Model,
    decision: Mapping[str, Any],
    searched: Iterable[Any] | None,
    params: Mapping[str, Any],
) -> str:
    """Train and log; alert about what the training showed.

    Args:
        context: of the running task.
        model: what to train.
        decision: what `decide` returned. Whether it grants the training is read from the journal.
        searched: what the batches of trials found; None: there were none.
        params: the form of the run.

    Returns:
        The MLflow run.

    Raises:
        AirflowSkipException: the decision was not to train.
        AlmanacError: as `almanac.training.training_run.train` says.
    """
    from almanac.backup.tasks.run_backup import back_up_checkpoints
    from almanac.journal.records import DecisionKind
    from almanac.training.fit.search_run import searched_in
    from almanac.training.notifications import notify_warnings
    from almanac.training.training_run import train
    from almanac_airflow.access import credentials
    from almanac_airflow.notifiers.channels import notifier

    home, registry, run = context.home, context.registry, context.run
    granted = context.journal.decisions(model.name, DecisionKind.TRAINING, run=run)
    if not granted or not granted[0].accepted:
        raise AirflowSkipException("; ".join(decision["reasons"]))
    logged = train(
        model,
        home,
        registry,
        reason=granted[0].reasons[0],
        run=run,
        now=context.now,
        mode=decision["mode"],
        candidates=params["candidates"],
        overrides=params["overrides"],
        searched=searched_in(list(searched or [])),
        on_progress=print,
        back_up=lambda: back_up_checkpoints(home, model.name, run=run, given_key=credentials.backup_key()),
    )
    notify_warnings(notifier(run), model, registry.logged(logged), run=run, now=context.clock())
    return logged


def judge(context: "RunContext", model: Model, mlflow_run_id: str) -> dict[str, Any]:
    """Judge the candidate by the gates, against baselines and the champion."""
    from almanac.release.run_judgement import judge
    from almanac_airflow.runs import decision_xcom

    decision = judge(
        model, context.home, context.journal, context.registry, mlflow_run_id, run=context.run, now=context.now
    )
    return {"mlflow_run_id": mlflow_run_id, **decision_xcom(decision)}


def register(context: "RunContext", model: Model, verdict: Mapping[str, Any]) -> str:
    """Register an accepted candidate as challenger, and choose which tasks run next.

    Returns:
        The version, when a person is asked.

    Raises:
        AirflowSkipException: the gates refused the candidate.
        DownstreamTasksSkipped: nobody has to be asked; see `almanac_airflow.branching`.
    """
    from almanac.release.approval import Desk
    from almanac.release.promotion import register
    from almanac_airflow.branching import go_on

    if not verdict["accepted"]:
        raise AirflowSkipException("; ".join(verdict["reasons"]))
    made = register(
        context.registry,
        model.name,
        verdict["mlflow_run_id"],
        run=context.run,
        journal=context.journal,
        now=context.now,
    )
    return go_on(Desk.of(context, model, made.version))
