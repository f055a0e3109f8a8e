"""Batch scoring with the champion."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Model

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def require_scoring(context: "RunContext", model: Model) -> None:
    """Go on unless scoring is stopped.

    Raises:
        AirflowSkipException: it is; the message says since when, why, and how to resume it.
    """
    from almanac.scoring.pause import stopped, why_stopped

    if stop := stopped(context.journal, model.name):
        raise AirflowSkipException(why_stopped(stop))


def score(context: "RunContext", model: Model, params: dict[str, Any]) -> dict[str, Any]:
    """Score new windows, or the range of the form, or the window of the run.

    Raises:
        AirflowSkipException: scoring is stopped, what triggered the run is refused, or there is nothing to score.
    """
    from almanac.scoring.score import score_new_windows
    from almanac_airflow.events import require_event
    from almanac_airflow.handled import handling
    from almanac_airflow.runs import range_param

    require_scoring(context, model)
    require_event(context, model, "score")
    since, until = range_param(model, params["since"], params["until"])
    with handling(context, model, "score", whole=not (params["since"] or params["until"])):
        summary = score_new_windows(
            model, context.home, context.registry, run=context.run, now=context.now, since=since, until=until
        )
    if not summary.rows:
        raise AirflowSkipException(summary.message)
    return asdict(summary)
