"""The tasks of a parameter search whose trials take too long for one task."""

from typing import Any

from airflow.sdk import task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.runs import run_context
from almanac_airflow.steps import training


def search(model: Model, home: Home, decision: Any) -> Any:
    """What the trials in tasks of their own have found; None: no search can take long, and there are no such tasks."""
    if not any(each.search.may_be_long for each in model.train.candidates.values() if each.search):
        return None

    @task(doc_md="Divides the trials of a search into tasks of about a minute; none when they are short.")
    def plan_search(decision: dict[str, Any], *, params: dict[str, Any]) -> list[dict[str, Any]]:
        return training.plan_search(run_context(home), model, decision, params)

    @task(
        doc_md="Tries parameters on the folds before the hold-out.",
        max_active_tis_per_dagrun=model.train.trials.parallel,
        **({"pool": model.train.trials.pool} if model.train.trials.pool else {}),
    )
    def try_out(batch: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
        return training.run_trials(run_context(home), model, batch, params)

    return try_out.expand(batch=plan_search(decision))
