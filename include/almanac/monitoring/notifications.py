"""Alerts about a monitor's findings: sent once while they last, and when they are over."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from almanac.alerts.message import event_message
from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind, Severity
from almanac.journal.records import RunRef
from almanac.monitoring.actions import ACTION_TEXTS
from almanac.monitoring.findings import WORST_FIRST, Condition, Finding, State
from almanac.reporting.urls import report_page

if TYPE_CHECKING:
    from almanac.alerts.notifier import Notifier
    from almanac.monitoring.result import MonitorResult

# A model that predicts worse than before, or does not run, is urgent; the rest can wait for the morning.
_URGENT = frozenset({Condition.PERFORMANCE, Condition.RUNNING})
_NOTIFIED = (State.ALARM, State.WARNING)
_MAX_NAMED = 3
_WHAT_TO_DO = {
    Condition.DRIFT: "Compare the columns then and now. If a unit, a sensor or a sender changed, correct the source. If"
    " the world has changed, check whether the retrain was granted (`decide` of the train DAG).",
    Condition.PERFORMANCE: "Check since when, and in which segments. Is the label still defined as before? If the"
    " model does harm now, `almanac rollback` puts the previous version back.",
    Condition.SEGMENTS: "Check that group's data first: too few rows, nulls, another source?",
    Condition.QUALITY: "Contact the owner of the source; `almanac quarantine list` shows the quarantined rows.",
    Condition.VOLUME: "Ask the source whether files are missing or were sent twice; `almanac windows` shows gaps.",
    Condition.FRESHNESS: "Has anything landed? Is the ingest DAG paused, or does it fail? If not, ask the sender.",
    Condition.STALENESS: "Champion: read why trainings are refused. Labels: ask their sender. Predictions: is the"
    " score DAG paused, does it fail, or was scoring stopped?",
    Condition.BETTER: "Compare both in MLflow; `almanac promote` if you agree.",
    Condition.RUNNING: "Open the DAG that is named: which task fails, waits or is slow, or why does no run start?",
}


def notify_findings(
    model: Model, result: "MonitorResult", notifier: "Notifier", *, run: RunRef, link: str, now: datetime
) -> None:
    """Tell what is not fine where `monitor.actions` says `notify`, and end what is fine again.

    One message for each condition, for any number of columns or segments; reported again when one more joins
    them, or a warning becomes an alarm. What cannot be judged now (too few rows) neither begins nor ends an alert about
    itself; it is named in one that is told.

    Args:
        model: whose monitor.
        result: of this run.
        notifier: sends and closes alerts.
        run: the monitor's run.
        link: to it.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    for condition in Condition:
        found = [finding for finding in result.findings if finding.condition is condition]
        notify = "notify" in model.monitor.actions.of(condition.value)
        bad = (one for one in found if notify and one.state in _NOTIFIED and not _is_known(model, one, notifier))
        notified = sorted(bad, key=lambda one: WORST_FIRST.index(one.state))
        kind = _kind(condition)
        if notified:
            message = event_message(
                kind,
                severity=_severity(notified[0]),
                model=model.name,
                subject=_subject(model, notified),
                run=run,
                now=now,
                words="\n".join(
                    [*(finding.text for finding in notified), *_unknown(found), *_follows(model, notified)]
                ),
                what_to_do=_WHAT_TO_DO[condition],
                link=link,
                report=report_page(model.name, result.report_uri, link),
                parts=tuple(f"{finding.subject}: {finding.state}" for finding in notified),
            )
            notifier.open(model.alerts, message, kind, condition.value, now)
        unknown = [finding for finding in found if finding.state is State.INSUFFICIENT]
        lasts = notified or (notify and _may_last(unknown, notifier.parts(model.name, kind, condition.value)))
        notifier.resolve_except(model.alerts, model.name, kind, [condition.value] if lasts else [], now)


def _is_known(model: Model, finding: Finding, notifier: "Notifier") -> bool:
    """Whether people know the cause already: files that were rejected have an alert of their own while they last."""
    if (finding.condition, finding.subject) != (Condition.QUALITY, "batches"):
        return False
    aside = finding.figures.get("quarantined", 0.0) > model.monitor.supply.max_quarantined
    return not aside and notifier.is_open(model.name, "rejection")


def _may_last(unknown: Sequence[Finding], parts: Collection[str]) -> bool:
    """Whether what was told may last although it cannot be judged now.

    Args:
        unknown: what cannot be judged.
        parts: what was told of, as `subject: state`.
    """
    notified = {part.rsplit(": ", 1)[0] for part in parts}
    return any(not finding.about or notified.intersection(finding.about) for finding in unknown)


def _unknown(found: Sequence[Finding]) -> list[str]:
    """What could not be judged beside what is told, in words."""
    return [f"Not judged: {finding.text}" for finding in found if finding.state is State.INSUFFICIENT]


def _follows(model: Model, findings: Sequence[Finding]) -> list[str]:
    """What is done about it beside telling, in words; nothing is done about a warning."""
    if findings[0].state is not State.ALARM:
        return []
    actions = model.monitor.actions.of(findings[0].condition.value)
    return [f"{ACTION_TEXTS[action]}." for action in actions if action != "notify"]


def _kind(condition: Condition) -> AlertKind:
    kind: AlertKind = next(kind for kind in get_args(AlertKind) if kind == condition.value)
    return kind


def _severity(finding: Finding) -> Severity:
    return "critical" if finding.state is State.ALARM and finding.condition in _URGENT else "warning"


def _subject(model: Model, findings: Sequence[Finding]) -> str:
    names = ", ".join(finding.subject for finding in findings[:_MAX_NAMED])
    more = f" and {len(findings) - _MAX_NAMED} more" if len(findings) > _MAX_NAMED else ""
    return f"{model.name}: {findings[0].condition} of {names}{more}: {findings[0].state}"
