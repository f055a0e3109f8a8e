"""Airflow's pools that the YAML files name: tasks of a pool that does not exist wait for ever, and nobody is told."""

from collections.abc import Callable

from include.config.home import Home
from include.config.loader import load_models
from include.services.airflow_api import AirflowClient, Json

_ALWAYS_THERE = "default_pool"


def ensure_pools(home: Home, airflow: AirflowClient, tell: Callable[[str], None]) -> None:
    """Create what is missing, with one slot each; a pool that exists stays as somebody has set it.

    Raises:
        TransientError: Airflow does not answer.
    """
    named = {pipeline.pool for model in load_models(home.models).models for pipeline in model.pipelines.values()}
    for name in sorted(named - {_ALWAYS_THERE} - set(airflow.pools())):
        body: Json = {"name": name, "slots": 1, "description": "Named by a model's YAML", "include_deferred": False}
        airflow.call("POST", "/pools", body=body)
        tell(f"pool {name!r} created with one slot; Airflow's Admin > Pools changes it")
