"""Looks whether a table is behind what is known of it, and what the nightly check of stored files has found."""

import logging
from collections.abc import Sequence
from datetime import datetime

from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.data.table.loss import losses
from almanac.data.table.table_guard import tables_of
from almanac.errors import TransientError
from almanac.journal.file_checks import FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef

log = logging.getLogger(__name__)


def report_damage(
    notifier: Notifier,
    home: Home,
    installation: Installation,
    models: Sequence[Model],
    journal: Journal,
    run: RunRef,
    now: datetime,
) -> None:
    """Tell once of each table that is behind and each subject with damaged files, and once when it is whole again.

    Raises:
        TransientError: the journal is unreachable.
    """
    messages: dict[str, Message] = {}
    unknown: set[str] = set()
    for model in models:
        try:
            behind = losses(home, model.name, journal)
        except TransientError as error:  # an unreachable store is reported by the tasks that use it
            log.warning("%s: cannot check whether its tables are behind: %s", model.name, error)
            unknown |= set(tables_of(home, model.name))
            continue
        for name, lost in behind.items():
            todo = f"`almanac repair {name}`; or restore it, or `almanac accept {name} --reason ...`."
            words = f"{lost} Nothing is written to it until it is repaired or accepted."
            messages[name] = _message(f"{name} has lost commits", words, todo, run, now)
    for subject, damaged in FileChecks(journal).damaged().items():
        words, todo = "; ".join(damaged[:10]), f"`almanac repair {subject}` puts them back from the newest snapshots."
        messages[f"files of {subject}"] = _message(
            f"{len(damaged)} files of {subject} are damaged or missing", words, todo, run, now
        )
    for key, message in messages.items():
        notifier.open(installation.alerts, message, "damage", key, now)
    notifier.resolve_except(installation.alerts, "", "damage", {*messages, *unknown}, now)


def _message(subject: str, words: str, todo: str, run: RunRef, now: datetime) -> Message:
    return event_message(
        "damage", severity="critical", model="", subject=subject, words=words, what_to_do=todo, run=run, now=now
    )
