"""A pipeline of any MLflow run becomes a candidate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def adopt(context: "RunContext", model: Model, params: Mapping[str, Any]) -> str:
    """Export, compare, measure and log it; gives the candidate's MLflow run.

    Args:
        context: of the running task.
        model: whose features, label and gates it is measured by.
        params: `mlflow_run_id`, `artifact`, `trained_until`, `candidate`, `threshold`.

    Raises:
        ConfigError: a time or a number cannot be read, or see `almanac.release.adoption.adopt_pipeline`.
    """
    from almanac.errors import ConfigError
    from almanac.release.adoption import ForeignRun, adopt_pipeline
    from almanac_airflow.runs import time_param

    until = time_param(params["trained_until"])
    if until is None:
        raise ConfigError(
            f"{model.name}: trained_until: got nothing, expected the last event time of the training rows"
        )
    foreign = ForeignRun(
        str(params["mlflow_run_id"]),
        until,
        artifact=str(params["artifact"]),
        candidate=str(params["candidate"]),
        threshold=float(params["threshold"]),
    )
    return adopt_pipeline(
        model, context.home, context.registry, foreign, run=context.run, now=context.now, on_progress=print
    )
