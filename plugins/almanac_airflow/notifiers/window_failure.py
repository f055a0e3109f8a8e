"""Records that a window has failed, where people look for gaps."""

from datetime import UTC, datetime

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.context import Context

from almanac.config.home import Home
from almanac.journal.records import RunRef
from almanac_airflow.access.credentials import load_connections


class WindowFailureNotifier(BaseNotifier):
    """Marks the window of a run that failed for good. Never raises: the failure itself has its alert.

    Args:
        model: whose window.
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def notify(self, context: Context) -> None:
        """Record the state, if the run names a window of the model."""
        from almanac.config.files.loader import find_model
        from almanac.errors import AlmanacError
        from almanac.journal.journal import Journal
        from almanac.windows.closing import fail_window, window_of_run

        task = context["ti"]
        home, run = Home(), RunRef(task.dag_id, task.run_id, task.try_number)
        reason = f"{task.task_id}: {context.get('exception') or 'the process ended without a word'}"
        try:
            load_connections()  # after a crash another process runs this callback
            window = window_of_run(find_model(home.models, self.model), context["dag_run"].partition_key)
            fail_window(Journal(home.journal_url), self.model, window, reason=reason, run=run, now=datetime.now(UTC))
        except AlmanacError as error:
            self.log.error("the window's failure could not be recorded: %s", error)
