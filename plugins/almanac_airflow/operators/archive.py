"""Waits for a snapshot that is restored from the archive, taking no worker's slot meanwhile."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context

from almanac.config.home import Home
from almanac_airflow.access import credentials
from almanac_airflow.access.permission import approve_restore
from almanac_airflow.runs import run_context

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


class ArchiveOperator(BaseOperator):
    """Requests what the form of `restore` names from the archive, and polls until all of it can be read.

    Progress, and the expected time, stand in the log, in the XCom `waits_for` and in the backup repository. A
    second run of the same restore, or this task when cleared, continues there.

    Args:
        home: the installation.
        look_again: time between two polls.
    """

    def __init__(self, *, home: Home, look_again: timedelta, **more: Any) -> None:
        super().__init__(**more)
        self.home = home
        self.look_again = look_again

    def execute(self, context: Context, event: Any = None) -> list[str]:
        """Request, or look how far it is."""
        return wait_for_archive(self, run_context(self.home, context), context["params"], context, self.look_again)


def wait_for_archive(
    operator: BaseOperator, at: "RunContext", form: Mapping[str, Any], context: Context, look_again: timedelta
) -> list[str]:
    """Request from the archive what a form names; while some of it cannot be read, defer the task, then look again.

    Args:
        operator: its `execute` is called again; it takes an `event`.
        at: of the running task.
        form: that of a restore.
        context: Airflow's.
        look_again: time between two polls.

    Raises:
        ApprovalError: a live restore, and who started the run may not approve it.
        TaskDeferred: this is how a task waits.
    """
    from almanac.backup.tasks.run_restore import request_restore_by_form

    approve_restore(at, dict(form))
    waiting = request_restore_by_form(
        at.home, form, given_key=credentials.backup_key(), now=at.now, by=at.run.started_by
    )
    words = [each.words for each in waiting]
    if waiting:
        for line in words:
            operator.log.info(line)
        context["ti"].xcom_push(key="waits_for", value=words)
        operator.defer(trigger=DateTimeTrigger(moment=at.now + look_again), method_name="execute")
    return words
