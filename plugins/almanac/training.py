"""What the task that trains does with Airflow's context: who runs, what was searched, who is told."""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from include.config.home import Home
from include.config.schema import Model


def train_as_decided(
    model: Model, home: Home, decision: Mapping[str, Any], searched: Iterable[Any] | None, params: Mapping[str, Any]
) -> str:
    """Train and log; tell of what the training showed.

    Args:
        model: what to train.
        home: where everything is.
        decision: what `decide` returned.
        searched: what the batches of trials found; None: there were none.
        params: the form of the run.

    Returns:
        The MLflow run.

    Raises:
        AirflowSkipException: it was decided not to train.
        AlmanacError: as `include.training.training_run.train` says.
    """
    from almanac.channels import teller
    from almanac.installation import backup_key
    from almanac.runs import current_run, now
    from include.backup.run_backup import back_up_checkpoints
    from include.registry.store import Registry
    from include.training.search_run import searched_in
    from include.training.telling import tell_warnings
    from include.training.training_run import train

    if not decision["accepted"]:
        raise AirflowSkipException("; ".join(decision["reasons"]))
    registry, run = Registry.of(home), current_run()
    logged = train(
        model, home, registry, reason=decision["reasons"][0], run=run, now=now(), mode=decision["mode"],
        candidates=params["candidates"], overrides=params["overrides"], searched=searched_in(list(searched or [])),
        on_progress=print, back_up=lambda: back_up_checkpoints(home, model.name, run=run, given_key=backup_key()),
    )  # fmt: skip
    tell_warnings(teller(run), model, registry.logged(logged), run=run, now=now())
    return logged
