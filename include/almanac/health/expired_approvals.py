"""Expired approvals: a waiting run can be deleted, and then no task closes its alert."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.notifier import Notifier
from almanac.config.sections.alerts import Alerts
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

log = logging.getLogger(__name__)


class WaitingTasks(Protocol):
    """Who knows which tasks wait."""

    def waits(self, run: RunRef, task_id: str) -> bool:
        """Whether a task has not ended yet; False when its run was deleted."""
        ...


def resolve_expired(
    notifier: Notifier, declared: Mapping[str, Alerts], journal: Journal, waiting: WaitingTasks | None, now: datetime
) -> None:
    """End the alert of each question that nobody can answer any more. What is not known ends nothing.

    Args:
        notifier: sends and closes alerts.
        declared: alerts by model.
        journal: has the open questions.
        waiting: None: Airflow cannot be asked.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    if waiting is None:
        return
    open_ones = (one for one in AlertLog(journal).unclosed() if one.kind == "approval" and one.ended_at is None)
    for one in open_ones:
        asked = one.message
        try:
            waits = waiting.waits(RunRef(asked.dag_id, asked.run_id, asked.try_number), asked.task_id)
        except AlmanacError as error:
            log.warning("cannot check whether %s of %s still waits: %s", asked.task_id, asked.run_id, error)
            continue
        if not waits and one.model in declared:
            notifier.resolve(declared[one.model], one.model, "approval", one.key, now)
