"""Unreported failures: Airflow runs no callback when the process of a last try is killed.

With tries left its scheduler finds the task running without a process, and calls back. On the last try the supervisor
reports the task as failed, and that is all (Airflow 3.3).
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import KILLED, failure_key, failure_message
from almanac.alerts.notifier import Notifier
from almanac.config.sections.alerts import Alerts
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

log = logging.getLogger(__name__)

# Rounds come every few minutes; after a longer pause what failed meanwhile is still told.
LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True)
class FailedTask:
    """A task that has failed for good: its run and try, when the try began, and the page that shows it."""

    run: RunRef
    task_id: str
    started_at: datetime
    link: str


class Failures(Protocol):
    """Who knows which tasks have failed."""

    def failed_tasks(self, since: datetime) -> Sequence[FailedTask]:
        """Those that ended since then and are still red; the oldest first."""
        ...

    def made_good(self, failed: FailedTask) -> bool:
        """Whether the same task has ended well since, in a later run about the same thing."""
        ...

    def scope_of(self, run: RunRef) -> str:
        """What a run is about; see `almanac.alerts.run_scope`."""
        ...

    def tags(self, dag_id: str) -> Collection[str]:
        """Those of a DAG: its model's name is among them."""
        ...


def report_unreported_failures(
    notifier: Notifier,
    declared: Mapping[str, Alerts],
    everybody: Alerts,
    journal: Journal,
    failures: Failures | None,
    now: datetime,
) -> None:
    """Tell of each failure that no callback has told; it lasts, like any other, until the task ends well.

    Args:
        notifier: sends and closes alerts.
        declared: alerts by model.
        everybody: who is notified of what belongs to no model.
        journal: has what was reported.
        failures: None: Airflow cannot be asked.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    if failures is None:
        return
    try:
        red = failures.failed_tasks(now - LOOK_BACK)
    except AlmanacError as error:
        log.warning("cannot check which tasks have failed without an alert: %s", error)
        return
    since = min((one.started_at for one in red), default=now)
    reported = AlertLog(journal).last_recorded("failure", "rejection", since=since)
    for failed in (one for one in red if not _is_reported(one, reported)):
        run, key = failed.run, failure_key(failed.run.dag_id, failed.task_id)
        try:
            if failures.made_good(failed):
                continue
            model, subject = _model(failures, run.dag_id, declared), failures.scope_of(run)
        except AlmanacError as error:
            log.warning("cannot find the model of %s of %s, or how it ended later: %s", key, run.run_id, error)
            continue
        alerts = declared.get(model, everybody)
        if "failure" not in alerts.silent:
            message = failure_message(
                model=model, run=run, task_id=failed.task_id, error=KILLED, link=failed.link, now=now, about=subject
            )
            notifier.open(alerts, message, "failure", key, now)


def _is_reported(failed: FailedTask, reported: Mapping[str, datetime]) -> bool:
    """A callback comes after its try began: who was told before has heard of another failure."""
    reported_at = reported.get(failure_key(failed.run.dag_id, failed.task_id))
    return reported_at is not None and reported_at >= failed.started_at


def _model(failures: Failures, dag_id: str, declared: Collection[str]) -> str:
    """The model of a DAG, whose name is a tag and part of the DAG's name; empty: no model's."""
    tags = failures.tags(dag_id)
    return max((name for name in declared if name in tags and f"_{name}" in dag_id), key=len, default="")
