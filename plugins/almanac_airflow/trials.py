"""The tasks in which a search of parameters tries them out, where its trials take too long for one task."""

from typing import Any

from airflow.sdk import task

from almanac.config.home import Home
from almanac.config.schema import Model


def search(model: Model, home: Home, decision: Any) -> Any:
    """What the trials in tasks of their own have found. Where no search can take long, there are no such tasks."""
    if not any(each.search.may_be_long for each in model.train.candidates.values() if each.search):
        return None

    @task(doc_md="Cuts the trials of a search into tasks of about a minute; none when they are short.")
    def plan_search(decision: dict[str, Any], *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from almanac.training.fit.search_run import plan_search
        from almanac_airflow.runs import now

        if not decision["accepted"] or decision["mode"] == "incremental":
            return []
        batches = plan_search(
            model, home, now=now(), candidates=params["candidates"], overrides=params["overrides"],
            on_progress=print,
        )  # fmt: skip
        return [batch.to_dict() for batch in batches]

    @task(
        doc_md="Tries parameters on the folds before the hold-out.",
        max_active_tis_per_dagrun=model.train.trials.parallel,
        **({"pool": model.train.trials.pool} if model.train.trials.pool else {}),
    )
    def try_out(batch: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
        from almanac.training.fit.search_run import Batch, run_batch

        known = Batch.from_dict(batch)
        trials = run_batch(model, home, known, overrides=params["overrides"], on_progress=print)
        rows = {"dataset_version": known.dataset_version, "joined": dict(known.joined), "now": known.now}
        return {**rows, "trials": [trial.to_dict() for trial in trials]}

    return try_out.expand(batch=plan_search(decision))
