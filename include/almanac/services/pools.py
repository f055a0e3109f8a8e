"""Airflow's pools that the YAML files name: tasks of a missing pool wait for ever, without an alert."""

from collections.abc import Callable, Iterable

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.config.schema import Declared, Model
from almanac.services.airflow_api import AirflowClient, Json

DESCRIPTION = "Named by a model's YAML"
_ALWAYS_THERE = "default_pool"


def named_pools(models: Iterable[Declared]) -> dict[str, int]:
    """The pools that these models name and that Airflow does not have by itself, with the slots to begin with.

    One slot, or for trials as many as may run at once.
    """
    models = tuple(models)
    slots = {pipeline.pool: 1 for model in models for pipeline in model.pipelines.values()}
    trials = [model.train.trials for model in models if isinstance(model, Model)]
    slots |= {each.pool: each.parallel for each in trials if each.pool}
    return {name: slots[name] for name in sorted(slots) if name != _ALWAYS_THERE}


def ensure_pools(home: Home, airflow: AirflowClient, report: Callable[[str], None]) -> None:
    """Create what is missing; one that exists stays as somebody has set it.

    Raises:
        TransientError: Airflow does not answer.
    """
    existing = airflow.pools()
    for name, slots in named_pools(load_models(home.models).declared).items():
        if name in existing:
            continue
        body: Json = {"name": name, "slots": slots, "description": DESCRIPTION, "include_deferred": False}
        airflow.call("POST", "/pools", body=body)
        report(f"pool {name!r} created with {slots} slots; Airflow's Admin > Pools changes it")
