"""What the task that trains does with Airflow's context: who runs, what was searched, who is told."""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model


def decide(model: Model, home: Home, params: Mapping[str, Any]) -> dict[str, Any]:
    """Decide whether to train; what woke the run counts only if the journal or the registry knows of it.

    Args:
        model: what to train.
        home: where everything is.
        params: the form of the run.

    Returns:
        The decision as the next task reads it, and the mode.
    """
    from almanac.events.requests import answer_requests, pending_requests
    from almanac.journal.journal import Journal
    from almanac.registry.store import Registry
    from almanac.training.training_run import ask
    from almanac_airflow.events import woken_by
    from almanac_airflow.handled import handling
    from almanac_airflow.runs import current_run, now, told, training_trigger
    from almanac_airflow.schedules import satisfied

    woken = woken_by(model, home, "train")
    if woken.refused and not satisfied(model, "train", woken.names, home):
        return {"accepted": False, "reasons": list(woken.refused), "figures": {}, "ask": [], "mode": "scratch"}
    trigger, reason = training_trigger(model, woken, params["reason"])
    journal, run = Journal(home.journal_url), current_run()
    requests = pending_requests(journal, model, run) if trigger == "retrain_request" else []
    with handling(model, home, "train"):
        asked = ask(
            model, home, journal, Registry.of(home), trigger=trigger, reason=reason, now=now(), run=run,
            mode=params["mode"], by_hand=bool(params["candidates"] or params["overrides"]),
        )  # fmt: skip
        answer_requests(journal, model, requests, asked.decision, run=run, now=now())
    return {**told(asked.decision), "mode": asked.mode}


def train_as_decided(
    model: Model, home: Home, decision: Mapping[str, Any], searched: Iterable[Any] | None, params: Mapping[str, Any]
) -> str:
    """Train and log; tell of what the training showed.

    Args:
        model: what to train.
        home: where everything is.
        decision: what `decide` returned. Whether it grants the training is read from the journal.
        searched: what the batches of trials found; None: there were none.
        params: the form of the run.

    Returns:
        The MLflow run.

    Raises:
        AirflowSkipException: it was decided not to train.
        AlmanacError: as `almanac.training.training_run.train` says.
    """
    from almanac.backup.tasks.run_backup import back_up_checkpoints
    from almanac.journal.journal import Journal
    from almanac.journal.records import DecisionKind
    from almanac.registry.store import Registry
    from almanac.training.fit.search_run import searched_in
    from almanac.training.telling import tell_warnings
    from almanac.training.training_run import train
    from almanac_airflow.installation import backup_key
    from almanac_airflow.notifiers.channels import teller
    from almanac_airflow.runs import current_run, now

    registry, run = Registry.of(home), current_run()
    granted = Journal(home.journal_url).decisions(model.name, DecisionKind.TRAINING, run=run)
    if not granted or not granted[0].accepted:
        raise AirflowSkipException("; ".join(decision["reasons"]))
    logged = train(
        model, home, registry, reason=granted[0].reasons[0], run=run, now=now(), mode=decision["mode"],
        candidates=params["candidates"], overrides=params["overrides"], searched=searched_in(list(searched or [])),
        on_progress=print, back_up=lambda: back_up_checkpoints(home, model.name, run=run, given_key=backup_key()),
    )  # fmt: skip
    tell_warnings(teller(run), model, registry.logged(logged), run=run, now=now())
    return logged
