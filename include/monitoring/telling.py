"""Tells people what a monitor found, once while it lasts, and when it is over."""

from datetime import datetime
from typing import TYPE_CHECKING, get_args

from include.alerts.message import event_message
from include.config.alerts import AlertKind, Severity
from include.config.schema import Model
from include.journal.records import RunRef
from include.monitoring.findings import Condition, Finding, State

if TYPE_CHECKING:
    from include.alerts.telling import Teller
    from include.monitoring.result import MonitorResult

# A model that foretells worse than it did, or does not run, wakes somebody; the rest can wait for the morning.
_URGENT = frozenset({Condition.PERFORMANCE, Condition.RUNNING})
_TOLD = frozenset({State.ALARM, State.WARNING})


def tell_findings(
    model: Model, result: "MonitorResult", teller: "Teller", *, run: RunRef, link: str, now: datetime
) -> None:
    """Tell what is not fine where `monitor.actions` says `notify`, and end what is fine again.

    What cannot be judged now (too few rows) neither begins nor ends.

    Args:
        model: whose monitor.
        result: of this run.
        teller: tells.
        run: the monitor's run.
        link: to it.
        now: aware.

    Raises:
        TransientError: the journal is away.
    """
    for condition in Condition:
        found = [finding for finding in result.findings if finding.condition is condition]
        told = [finding for finding in found if finding.state in _TOLD]
        if "notify" not in model.monitor.actions.of(condition.value):
            told = []
        kind = _kind(condition)
        for finding in told:
            message = event_message(
                kind, severity=_severity(finding), model=model.name, subject=_subject(model, finding), run=run, now=now,
                words=finding.text, what_to_do="Read the report; the runbook says what to check and what to run.",
                link=link, report=result.report_uri,
            )  # fmt: skip
            teller.seen(model.alerts, message, kind, finding.subject, now)
        lasting = {finding.subject for finding in found if finding.state is State.INSUFFICIENT}
        teller.ended_but(model.alerts, model.name, kind, lasting | {finding.subject for finding in told}, now)


def _kind(condition: Condition) -> AlertKind:
    kind: AlertKind = next(kind for kind in get_args(AlertKind) if kind == condition.value)
    return kind


def _severity(finding: Finding) -> Severity:
    return "critical" if finding.state is State.ALARM and finding.condition in _URGENT else "warning"


def _subject(model: Model, finding: Finding) -> str:
    what = "alarm" if finding.state is State.ALARM else "warning"
    return f"{model.name}: {finding.condition.value} of {finding.subject}: {what}"
