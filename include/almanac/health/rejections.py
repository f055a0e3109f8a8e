"""Alerts about rejected files, open until each is delivered again, readmitted, or dismissed by a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.config.sections.alerts import Alerts
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.reporting.urls import report_page


def rejection_message(
    model: str,
    rejected: Sequence[Mapping[str, Any]],
    *,
    words: str,
    run: RunRef,
    task_id: str,
    link: str,
    now: datetime,
) -> Message:
    """One message for all files that one run has rejected; each is a part of it.

    Args:
        model: whose files.
        rejected: the `rejected` of a summary as JSON.
        words: which and why.
        run: of the ingest.
        task_id: which task says so.
        link: to it.
        now: aware.
    """
    names = [str(one["uri"]).rsplit("/", 1)[-1] for one in rejected]
    subject = f"{names[0]} was rejected" if len(names) == 1 else f"{len(names)} files were rejected: {names[0]}, ..."
    return event_message(
        "rejection",
        severity="critical",
        model=model,
        subject=f"{model}: {subject}",
        words=words,
        run=run,
        now=now,
        what_to_do="Repair it and deliver it again under the same name, or readmit it as it is:"
        f" `almanac quarantine list {model}` and the batch's page say how. The alert stays open until then; to"
        " close it without either: `almanac alerts dismiss NUMBER --reason '...'`.",
        task_id=task_id,
        link=link,
        report=report_page(model, str(rejected[0].get("report_uri") or ""), link),
        parts=tuple(str(one["uri"]) for one in rejected),
    )


def end_resolved(
    notifier: Notifier, declared: Mapping[str, Alerts], everybody: Alerts, journal: Journal, now: datetime
) -> None:
    """End what was told of each rejected file that has been delivered again or readmitted since.

    Args:
        notifier: sends and closes alerts.
        declared: alerts by model.
        everybody: who is notified of what belongs to no model any more.
        journal: has the state of the files.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    for one in AlertLog(journal).unclosed():
        if one.kind == "rejection" and one.ended_at is None:
            alerts = declared.get(one.model, everybody)
            well = {uri for uri in one.message.parts if not publications.is_rejected(journal, one.model, uri)}
            if well or not one.message.parts:
                notifier.resolve_parts(alerts, one.model, "rejection", one.key, well.__contains__, now)
