"""Tells that a run has not ended by its deadline; Airflow's scheduler watches the clock."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback

from include.config.schema import Model
from include.config.types import format_duration


def deadline_of(model: Model, kind: str, deadline: timedelta | None) -> list[DeadlineAlert]:
    """Airflow's deadline of a pipeline; none when none is declared."""
    if deadline is None:
        return []
    told = SyncCallback(tell_late, {"model": model.name, "kind": kind, "deadline": format_duration(deadline)})
    return [DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=deadline, callback=told)]


def tell_late(context: Mapping[str, Any], model: str, kind: str, deadline: str) -> None:
    """Tell the people whom the model names.

    Args:
        context: Airflow's, with the run.
        model: whose run.
        kind: of pipeline.
        deadline: as declared.
    """
    import logging
    from datetime import UTC, datetime

    from almanac.channels import Connections
    from include.alerts.message import event_message
    from include.alerts.telling import Teller
    from include.config.home import Home
    from include.config.loader import find_model
    from include.journal.journal import Journal
    from include.journal.records import RunRef

    home, now = Home(), datetime.now(UTC)
    run = RunRef(context["dag_run"]["dag_id"], context["dag_run"]["dag_run_id"], 1)
    message = event_message(
        "late", severity="warning", model=model, subject=f"{run.dag_id} is late", run=run, now=now,
        words=f"The run is not done {deadline} after it was queued (pipelines.{kind}.deadline).",
        what_to_do="Open the run: is a task queued (no free slot), running (a long one), or waiting for a retry?",
    )  # fmt: skip
    teller = Teller(Journal(home.journal_url), Connections(), logging.getLogger(__name__).error, run)
    teller.happened(find_model(home.models, model).alerts, message, "late", f"{run.dag_id} {run.run_id}", now)
