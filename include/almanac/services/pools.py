"""Airflow's pools that the YAML files name: tasks of a missing pool wait for ever, without an alert."""

from collections.abc import Callable, Iterable

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.services.airflow_api import AirflowClient, Json

DESCRIPTION = "Named by a model's YAML"
_ALWAYS_THERE = "default_pool"


def named_pools(models: Iterable[Model]) -> dict[str, int]:
    """The pools that these models name and that Airflow does not have by itself, with the slots to begin with.

    One slot, or for trials as many as may run at once.
    """
    models = tuple(models)
    slots = {pipeline.pool: 1 for model in models for pipeline in model.pipelines.values()}
    slots |= {model.train.trials.pool: model.train.trials.parallel for model in models if model.train.trials.pool}
    return {name: slots[name] for name in sorted(slots) if name != _ALWAYS_THERE}


def ensure_pools(home: Home, airflow: AirflowClient, report: Callable[[str], None]) -> None:
    """Create what is missing; one that exists stays as somebody has set it.

    Raises:
        TransientError: Airflow does not answer.
    """
    existing = airflow.pools()
    for name, slots in named_pools(load_models(home.models).models).items():
        if name in existing:
            continue
        body: Json = {"name": name, "slots": slots, "description": DESCRIPTION, "include_deferred": False}
        airflow.call("POST", "/pools", body=body)
        report(f"pool {name!r} created with {slots} slots; Airflow's Admin > Pools changes it")
