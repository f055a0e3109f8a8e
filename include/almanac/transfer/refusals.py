"""An archive that is turned away: in the journal, and told to people."""

from datetime import datetime

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message
from almanac.display import MAX_REASON, shorten
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef


def record_refusal(journal: Journal, model: str, subject: str, words: str, *, by: str, now: datetime) -> None:
    """Write the decision, and an alert that the next round of the DAG `alerts` sends.

    Args:
        journal: takes both.
        model: who was to take it; empty: the archive could not be read so far.
        subject: the archive's file, or the version in it.
        words: why.
        by: who wanted to import it.
        now: aware.
    """
    words = shorten(words, MAX_REASON)
    run = RunRef("almanac import", now.isoformat(timespec="seconds"), started_by=by, trigger="command line")
    journal.record_decision(Decision(model, DecisionKind.IMPORT, False, (words,), now, run, shorten(subject, 200)))
    message = event_message(
        "import",
        severity="warning",
        model=model,
        subject=f"{model or 'an archive'}: {shorten(subject, 100)} was not imported",
        words=f"{by} wanted to import {shorten(subject, 100)}. {words}",
        what_to_do="Nothing was changed here. If nobody expected this archive, find out where it came from; else"
        " correct what the message names, and import it again.",
        run=run,
        now=now,
    )
    alerts = AlertLog(journal)
    alerts.record(message, "import", message.subject, now)
    alerts.end(model, "import", message.subject, now)
