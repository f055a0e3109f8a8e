"""Whether data arrive as they should: quality and volume from the journal's batches, freshness, and what grows old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.journal.records import BatchRecord, BatchState
from almanac.monitoring.findings import Condition, Finding, State

_USUAL_WINDOWS = 3
_READ = (BatchState.PUBLISHED, BatchState.UNCHANGED, BatchState.REJECTED)  # whose rows were looked at


@dataclass(frozen=True)
class Ages:
    """The newest of everything; None where there is none.

    Attributes:
        row: event time of the newest row, at its end.
        label: event time of the newest row whose label is known.
        prediction: event time of the newest row that was scored.
        champion: when it was trained.
    """

    row: datetime | None
    label: datetime | None
    prediction: datetime | None
    champion: datetime | None


def judge_batches(model: Model, batches: Sequence[BatchRecord], *, since: datetime, until: datetime) -> Finding:
    """Rejected batches and quarantined rows among what arrived in a time.

    Args:
        model: declares the limits.
        batches: the journal's.
        since: when the time starts, by the batches' records.
        until: its end.
    """
    arrived = [batch for batch in batches if since <= batch.recorded_at < until]
    read = [batch for batch in arrived if batch.state in _READ]
    if not read:
        text = f"no batch arrived from {since:%Y-%m-%d} to {until:%Y-%m-%d}"
        return Finding(Condition.QUALITY, State.INSUFFICIENT, "batches", text)
    limits = model.monitor.supply
    rejected = [batch for batch in read if batch.state is BatchState.REJECTED]
    rows = sum(batch.rows_read for batch in read)
    aside = sum(batch.rows_quarantined for batch in read)
    if not rows and not rejected:
        text = f"{len(read)} batches arrived from {since:%Y-%m-%d} to {until:%Y-%m-%d}, without a row among them"
        return Finding(Condition.QUALITY, State.INSUFFICIENT, "batches", text)
    share_rejected, share_aside = len(rejected) / len(read), aside / max(rows, 1)
    bad = share_rejected > limits.max_rejected or share_aside > limits.max_quarantined
    text = (
        f"{len(rejected)} of {len(read)} batches were rejected (limit {limits.max_rejected:.0%}) and {aside:,} of"
        f" {rows:,} rows quarantined ({share_aside:.1%}, limit {limits.max_quarantined:.0%})"
    )
    rules: dict[str, int] = {}
    for batch in read:
        for rule, count in batch.broken_rules.items():
            rules[rule] = rules.get(rule, 0) + count
    if bad and rules:
        worst = sorted(rules.items(), key=lambda item: (-item[1], item[0]))[:3]
        text += "; most by " + ", ".join(f"{rule} ({count:,})" for rule, count in worst)
    figures = {"rejected": share_rejected, "quarantined": share_aside, "batches": float(len(read))}
    return Finding(Condition.QUALITY, State.ALARM if bad else State.FINE, "batches", text, figures)


def judge_volume(model: Model, rows: Sequence[int]) -> Finding:
    """The newest window's rows against the median of the windows before that had any.

    Windows without rows, from before the source began or while it was away, do not say how many rows are usual.

    Args:
        model: declares the factor.
        rows: of each window, the oldest first.
    """
    before = sorted(count for count in rows[:-1] if count)
    if len(before) < _USUAL_WINDOWS:
        text = f"{len(before) + 1} windows with rows; at least {_USUAL_WINDOWS + 1} are needed to know what is usual"
        return Finding(Condition.VOLUME, State.INSUFFICIENT, "rows", text)
    usual = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
    if not usual and not rows[-1]:
        text = f"no rows in the newest window, nor in most of the {len(before)} before: nothing to compare"
        return Finding(Condition.VOLUME, State.INSUFFICIENT, "rows", text)
    factor = model.monitor.supply.volume_factor
    odd = not usual / factor <= rows[-1] <= usual * factor
    text = f"{rows[-1]:,} rows in the newest window, {usual:,.0f} are usual, limit {factor:g} times more or fewer"
    figures = {"rows": float(rows[-1]), "usual": usual}
    return Finding(Condition.VOLUME, State.ALARM if odd else State.FINE, "rows", text, figures)


def judge_ages(model: Model, ages: Ages, now: datetime) -> tuple[Finding, ...]:
    """Freshness of the data, and staleness of labels, predictions and champion; only what has a limit.

    Of a shared dataset the owner's monitor alone tells how fresh it is.
    """
    stale = model.monitor.staleness
    watched = (
        (Condition.FRESHNESS, "data", "the newest row", ages.row, model.monitor.supply.max_age),
        (Condition.STALENESS, "labels", "the newest row with a label", ages.label, stale.labels),
        (Condition.STALENESS, "predictions", "the newest row that was scored", ages.prediction, stale.predictions),
        (Condition.STALENESS, "champion", "the training of the champion", ages.champion, stale.champion),
    )
    return tuple(
        _age(condition, subject, words, time, limit, now)
        for condition, subject, words, time, limit in watched
        if limit is not None and (condition is not Condition.FRESHNESS or model.is_owner)
    )


def _age(
    condition: Condition, subject: str, words: str, time: datetime | None, limit: timedelta, now: datetime
) -> Finding:
    if time is None:
        return Finding(condition, State.INSUFFICIENT, subject, f"{words}: there is none yet")
    age = now - time
    days = age / timedelta(days=1)
    text = f"{words} is {days:.1f} days old ({time:%Y-%m-%d %H:%M} UTC), limit {format_duration(limit)}"
    over = age > limit
    since = time + limit if over else None
    return Finding(condition, State.ALARM if over else State.FINE, subject, text, {"age_days": days}, since)
