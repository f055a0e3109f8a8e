"""Alerts that a run has not ended by its deadline, which Airflow's scheduler checks."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

from almanac.config.grammar.types import format_duration
from almanac.config.schema import Declared


def deadline_of(model: Declared, kind: str, deadline: timedelta | None) -> list[DeadlineAlert]:
    """Airflow's deadline of a pipeline; none when none is declared.

    The callback runs in the triggerer: in a worker it could read no connection (Airflow 3.3).
    """
    if deadline is None:
        return []
    callback = AsyncCallback(tell_late, {"model": model.name, "kind": kind, "deadline": format_duration(deadline)})
    return [DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=deadline, callback=callback)]


async def tell_late(context: Mapping[str, Any], model: str, kind: str, deadline: str) -> None:
    """Send the alert, in a thread: the triggerer's event loop must not block.

    Args:
        context: Airflow's, with the run.
        model: whose run.
        kind: of pipeline.
        deadline: as declared.
    """
    await asyncio.to_thread(_send, context["dag_run"], model, kind, deadline)


def _send(dag_run: Mapping[str, Any], model: str, kind: str, deadline: str) -> None:
    from datetime import UTC, datetime

    from almanac.alerts.message import event_message
    from almanac.config.files.loader import find_model
    from almanac.config.home import Home
    from almanac.journal.records import RunRef
    from almanac_airflow.notifiers.channels import notifier

    now = datetime.now(UTC)
    run = RunRef(dag_run["dag_id"], dag_run["dag_run_id"], 1)
    message = event_message(
        "late",
        severity="warning",
        model=model,
        subject=f"{run.dag_id} is late",
        run=run,
        now=now,
        words=f"The run is not done {deadline} after it was queued (pipelines.{kind}.deadline).",
        what_to_do="Open the run: is a task queued (no free slot), running (a long one), or waiting for a retry?",
    )
    alerts = find_model(Home().models, model).alerts
    notifier(run).notify_once(alerts, message, "late", f"{run.dag_id} {run.run_id}", now)
