"""Airflow's pools that the YAML files name: tasks of a pool that does not exist wait for ever, and nobody is told."""

from collections.abc import Callable

from include.config.home import Home
from include.config.loader import load_models
from include.services.airflow_api import AirflowClient, Json

_ALWAYS_THERE = "default_pool"


def ensure_pools(home: Home, airflow: AirflowClient, tell: Callable[[str], None]) -> None:
    """Create what is missing, with one slot, or for trials as many as may run at once; one that exists stays as it is.

    Raises:
        TransientError: Airflow does not answer.
    """
    models = load_models(home.models).models
    slots = {pipeline.pool: 1 for model in models for pipeline in model.pipelines.values()}
    slots |= {model.train.trials.pool: model.train.trials.parallel for model in models if model.train.trials.pool}
    for name in sorted(slots.keys() - {_ALWAYS_THERE} - set(airflow.pools())):
        body: Json = {
            "name": name,
            "slots": slots[name],
            "description": "Named by a model's YAML",
            "include_deferred": False,
        }
        airflow.call("POST", "/pools", body=body)
        tell(f"pool {name!r} created with {slots[name]} slots; Airflow's Admin > Pools changes it")
