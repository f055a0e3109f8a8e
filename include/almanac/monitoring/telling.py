"""Alerts about a monitor's findings: sent once while they last, and when they are over."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from almanac.alerts.message import event_message
from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind, Severity
from almanac.journal.records import RunRef
from almanac.monitoring.actions import DEEDS
from almanac.monitoring.findings import WORST_FIRST, Condition, Finding, State
from almanac.reporting.urls import report_page

if TYPE_CHECKING:
    from almanac.alerts.telling import Teller
    from almanac.monitoring.result import MonitorResult

# A model that predicts worse than before, or does not run, is urgent; the rest can wait for the morning.
_URGENT = frozenset({Condition.PERFORMANCE, Condition.RUNNING})
_TOLD = (State.ALARM, State.WARNING)
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


def tell_findings(
    model: Model, result: "MonitorResult", teller: "Teller", *, run: RunRef, link: str, now: datetime
) -> None:
    """Tell what is not fine where `monitor.actions` says `notify`, and end what is fine again.

    One message for each condition, for any number of columns or segments; reported again when one more joins
    them, or a warning becomes an alarm. What cannot be judged now (too few rows) neither begins nor ends an alert about
    itself; it is named in one that is told.

    Args:
        model: whose monitor.
        result: of this run.
        teller: sends and closes alerts.
        run: the monitor's run.
        link: to it.
        now: aware.

    Raises:
        TransientError: the journal is unreachable.
    """
    for condition in Condition:
        found = [finding for finding in result.findings if finding.condition is condition]
        notify = "notify" in model.monitor.actions.of(condition.value)
        bad = (one for one in found if notify and one.state in _TOLD and not _is_known(model, one, teller))
        told = sorted(bad, key=lambda one: WORST_FIRST.index(one.state))
        kind = _kind(condition)
        if told:
            message = event_message(
                kind, severity=_severity(told[0]), model=model.name, subject=_subject(model, told), run=run, now=now,
                words="\n".join([*(finding.text for finding in told), *_unknown(found), *_follows(model, told)]),
                what_to_do=_WHAT_TO_DO[condition], link=link, report=report_page(model.name, result.report_uri, link),
                parts=tuple(f"{finding.subject}: {finding.state}" for finding in told),
            )  # fmt: skip
            teller.seen(model.alerts, message, kind, condition.value, now)
        unknown = [finding for finding in found if finding.state is State.INSUFFICIENT]
        lasts = told or (notify and _may_last(unknown, teller.parts(model.name, kind, condition.value)))
        teller.ended_but(model.alerts, model.name, kind, [condition.value] if lasts else [], now)


def _is_known(model: Model, finding: Finding, teller: "Teller") -> bool:
    """Whether people know the cause already: files that were rejected have an alert of their own while they last."""
    if (finding.condition, finding.subject) != (Condition.QUALITY, "batches"):
        return False
    aside = finding.figures.get("quarantined", 0.0) > model.monitor.supply.max_quarantined
    return not aside and teller.lasts(model.name, "rejection")


def _may_last(unknown: Sequence[Finding], parts: Collection[str]) -> bool:
    """Whether what was told may last although it cannot be judged now.

    Args:
        unknown: what cannot be judged.
        parts: what was told of, as `subject: state`.
    """
    told = {part.rsplit(": ", 1)[0] for part in parts}
    return any(not finding.about or told.intersection(finding.about) for finding in unknown)


def _unknown(found: Sequence[Finding]) -> list[str]:
    """What could not be judged beside what is told, in words."""
    return [f"Not judged: {finding.text}" for finding in found if finding.state is State.INSUFFICIENT]


def _follows(model: Model, told: Sequence[Finding]) -> list[str]:
    """What is done about it beside telling, in words; nothing is done about a warning."""
    if told[0].state is not State.ALARM:
        return []
    actions = model.monitor.actions.of(told[0].condition.value)
    return [f"{DEEDS[action]}." for action in actions if action != "notify"]


def _kind(condition: Condition) -> AlertKind:
    kind: AlertKind = next(kind for kind in get_args(AlertKind) if kind == condition.value)
    return kind


def _severity(finding: Finding) -> Severity:
    return "critical" if finding.state is State.ALARM and finding.condition in _URGENT else "warning"


def _subject(model: Model, told: Sequence[Finding]) -> str:
    names = ", ".join(finding.subject for finding in told[:_MAX_NAMED])
    more = f" and {len(told) - _MAX_NAMED} more" if len(told) > _MAX_NAMED else ""
    return f"{model.name}: {told[0].condition} of {names}{more}: {told[0].state}"
