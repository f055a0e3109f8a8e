"""Waits for a snapshot that comes from the archive, taking no worker's slot meanwhile."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context

from almanac.config.home import Home
from almanac_airflow.access.permission import approve_restore
from almanac_airflow.installation import backup_key
from almanac_airflow.runs import current_run, now


class ThawOperator(BaseOperator):
    """Asks the archive for what the form of `restore` names, and looks again until all of it can be read.

    How far it is, and when it is expected, stands in the log, in the XCom `waits_for` and in the backup place; whoever
    starts the same restore again, or clears this task, goes on there.

    Args:
        home: the installation.
        look_again: after so long.
    """

    def __init__(self, *, home: Home, look_again: timedelta, **more: Any) -> None:
        super().__init__(**more)
        self.home = home
        self.look_again = look_again

    def execute(self, context: Context, event: Any = None) -> list[str]:
        """Ask, or look how far it is."""
        from almanac.backup.tasks.run_restore import ask_by_form

        approve_restore(self.home, context["params"])
        waiting = ask_by_form(
            self.home, context["params"], given_key=backup_key(), now=now(), by=current_run().started_by
        )
        words = [thaw.words for thaw in waiting]
        if waiting:
            for line in words:
                self.log.info(line)
            context["ti"].xcom_push(key="waits_for", value=words)
            self.defer(trigger=DateTimeTrigger(moment=now() + self.look_again), method_name="execute")
        return words
