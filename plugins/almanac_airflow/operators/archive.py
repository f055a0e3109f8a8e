"""Waits for a snapshot that is restored from the archive, taking no worker's slot meanwhile."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context

from almanac.config.home import Home
from almanac_airflow.access import credentials
from almanac_airflow.access.permission import approve_restore
from almanac_airflow.runs import run_context


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
        from almanac.backup.tasks.run_restore import request_restore_by_form

        at, form = run_context(self.home, context), context["params"]
        approve_restore(at, form)
        waiting = request_restore_by_form(
            self.home, form, given_key=credentials.backup_key(), now=at.now, by=at.run.started_by
        )
        words = [each.words for each in waiting]
        if waiting:
            for line in words:
                self.log.info(line)
            context["ti"].xcom_push(key="waits_for", value=words)
            self.defer(trigger=DateTimeTrigger(moment=at.now + self.look_again), method_name="execute")
        return words
