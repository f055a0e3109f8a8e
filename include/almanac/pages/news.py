"""What happened, as a list that a person reads from the top: batches, windows, decisions, alerts, promotions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from almanac.alerts.alert import Alert
from almanac.journal.records import (
    AliasMove,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DeliveredAlert,
    RunRef,
    RunTraces,
    WindowRecord,
)
from almanac.reporting.urls import Urls
from almanac.windows.window import Window

# What people choose from on the page of the journal: decisions by kind, and the rest.
ALERT, PROMOTED = "alert", "alias_move"
KINDS = (*(kind.value for kind in DecisionKind), ALERT, PROMOTED)
_MAX_LINES = 6


@dataclass(frozen=True)
class News:
    """One thing that happened.

    Attributes:
        tone: good, warn, bad or calm; for its color.
        lines: why, or what to do.
        text: more, for those who want it.
        link: to its own page, with `label`.
    """

    at: datetime
    tone: str
    kind: str
    model: str
    headline: str
    run: RunRef
    lines: tuple[str, ...] = ()
    text: str = ""
    link: str = ""
    label: str = ""


def of_batch(record: BatchRecord, urls: Urls) -> News:
    """A batch and what became of it."""
    name = record.uri.rsplit("/", 1)[-1]
    tone = "calm" if record.state is not BatchState.PUBLISHED else "warn" if record.rows_quarantined else "good"
    tone = "bad" if record.state is BatchState.REJECTED else tone
    worst = sorted(record.broken_rules.items(), key=lambda item: -item[1])[:3]
    lines = record.reasons or tuple(f"{rule}: {count:,} rows" for rule, count in worst)
    return News(
        record.recorded_at,
        tone,
        "batch",
        record.model,
        f"Batch {record.state}: {name} ({_counts(record)})",
        record.run,
        lines[:_MAX_LINES],
        link=urls.batch(record.model, record.batch_id[:12]),
        label="Batch report",
    )


def of_window(record: WindowRecord, urls: Urls) -> News:
    """A window and how its last run left it."""
    window = Window(record.window_start, record.window_end)
    tone = {"done": "good", "failed": "bad", "late": "warn", "waiting": "warn"}.get(record.state.value, "calm")
    lines = tuple(filter(None, [record.reason, f"{record.rows:,} rows, {record.missing_steps:,} missing steps"]))
    return News(
        record.changed_at,
        tone,
        "window",
        record.model,
        f"Window {record.state}: {window}",
        record.run,
        lines,
        link=urls.windows(record.model),
        label="All windows",
    )


def of_decision(decision: Decision) -> News:
    """A decision with its reasons. A refusal is no failure."""
    verdict = "accepted" if decision.accepted else "refused"
    if decision.kind is DecisionKind.QUESTION:
        verdict = "asked"
    what = decision.kind.value.replace("_", " ").capitalize()
    about = f" ({decision.subject})" if decision.subject else ""
    lines = decision.reasons[:_MAX_LINES]
    if decision.ask:
        lines += (f"A person must decide: {'; '.join(decision.ask)}",)
    if decision.expires_at:
        lines += (f"Until {decision.expires_at:%Y-%m-%d %H:%M} UTC; of {', '.join(decision.people) or 'who may act'}.",)
    figures = "\n".join(f"{name} = {value:.6g}" for name, value in sorted(decision.figures.items()))
    return News(
        decision.decided_at,
        "good" if decision.accepted else "warn",
        decision.kind.value,
        decision.model,
        f"{what} {verdict}{about}",
        decision.run,
        lines,
        figures,
    )


def of_alert(alert: DeliveredAlert) -> News:
    """A message that people were sent, or should have been."""
    paragraphs = [part.strip() for part in alert.text.split("\n\n")]
    paragraphs_shown = tuple(paragraphs[1:3]) if len(paragraphs) > 2 else (alert.text.strip(),)
    sent = f"Sent by {alert.channel}." if alert.delivered else f"NOT delivered by {alert.channel}: {alert.error}"
    sent = "In the log only: no channel is set up." if alert.channel == "log" else sent
    tone = {"critical": "bad", "warning": "warn"}.get(alert.severity, "calm")
    return News(
        alert.raised_at,
        tone,
        ALERT,
        alert.model,
        f"Alert, {alert.severity}: {alert.title}",
        alert.run,
        (*paragraphs_shown, sent),
        alert.text,
    )


def of_open_alert(
    open_alert: Alert, *, follows: Sequence[Alert] = (), undelivered: Sequence[DeliveredAlert] = ()
) -> News:
    """What people were told and what lasts, with what follows from the same cause."""
    message, run = open_alert.message, RunRef(open_alert.message.dag_id, open_alert.message.run_id)
    seen = (
        f"Seen {open_alert.times} times since {open_alert.opened_at:%Y-%m-%d %H:%M} UTC. "
        if open_alert.times > 1
        else ""
    )
    delivery = (
        f"Sent by {', '.join(open_alert.told_to)}." if open_alert.told_to else "In the log only: no channel took it."
    )
    if open_alert.acknowledged_by:
        delivery += f" {open_alert.acknowledged_by} has acknowledged it."
    lines = [*message.error.splitlines()[: _MAX_LINES - 1], f"What to do: {message.what_to_do}"]
    lines += [f"As a consequence, also: {other.message.subject}" for other in follows]
    lines += [f"NOT delivered by {alert.channel}: {alert.error}" for alert in undelivered[:1]]
    tone = {"critical": "bad", "warning": "warn"}.get(message.severity, "calm")
    page = message.report if message.report.startswith(("http://", "https://")) else ""
    headline = f"Alert {open_alert.id}, {message.severity}: {message.subject}"
    return News(
        open_alert.opened_at,
        tone,
        ALERT,
        open_alert.model,
        headline,
        run,
        (*lines, f"{seen}{delivery}"),
        message.text,
        link=page,
        label="Report",
    )


def of_move(move: AliasMove) -> News:
    """An alias of the model registry that moved."""
    headline = f"{move.alias}: version {move.from_version or 'none'} → {move.to_version or 'none'}"
    return News(move.moved_at, "good", PROMOTED, move.model, headline, move.run, (move.reason,))


def of_run(traces: RunTraces, urls: Urls) -> list[News]:
    """Everything that one run did, what went wrong first."""
    news = [of_batch(each, urls) for each in traces.batches]
    news += [of_window(each, urls) for each in traces.windows]
    news += [*map(of_decision, traces.decisions), *map(of_move, traces.moves)]
    news += merged(map(of_alert, traces.alerts))
    return worst_first(news)


def worst_first(news: Iterable[News]) -> list[News]:
    """What failed before what is only worth a look; otherwise as it was."""
    order = {"bad": 0, "warn": 1}
    return sorted(news, key=lambda each: order.get(each.tone, 2))


def merged(news: Iterable[News]) -> list[News]:
    """Alerts of one event that went to several channels as one piece of news."""
    found: dict[tuple[str, ...], News] = {}
    for each in news:
        key = (each.model, each.headline, each.run.dag_id, each.run.run_id, str(each.run.try_number))
        known = found.get(key)
        found[key] = each if known is None else replace(known, lines=(*known.lines, *each.lines[-1:]))
    return list(found.values())


def newest(news: Sequence[News], limit: int) -> list[News]:
    """The newest first."""
    return sorted(news, key=lambda each: each.at, reverse=True)[:limit]


def _counts(record: BatchRecord) -> str:
    if record.rows_quarantined:
        return f"{record.rows_published:,} rows published, {record.rows_quarantined:,} in quarantine"
    return f"{record.rows_published:,} of {record.rows_read:,} rows published"
