"""What of a model needs attention: one card for each cause, whatever number of messages it has made."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select

from almanac.alerts.alert import Alert
from almanac.alerts.alert_log import AlertLog
from almanac.config.sections.alerts import AlertKind
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, WindowRecord, WindowState
from almanac.journal.tables import alerts, batches, conditions, windows
from almanac.pages import news
from almanac.pages.news import News
from almanac.reporting.urls import Urls
from almanac.windows.tumbling import key_of
from almanac.windows.window import Window

# A condition that another one is the cause of: while that one lasts, it is a line of its card.
_FOLLOWS: Mapping[AlertKind, AlertKind] = {"quality": "rejection"}
_ALERTS = 40
_MODEL: Any = bindparam("name")


def cards_of(
    model: str,
    journal: Journal,
    urls: Urls,
    since: datetime,
    *,
    batches: Sequence[BatchRecord],
    failed: Sequence[WindowRecord],
) -> list[News]:
    """What lasts, what merely happened lately, and what nobody was told of.

    Args:
        model: whose.
        journal: knows what people were told.
        urls: for the links.
        since: how far back is lately.
        batches: the newest ones.
        failed: windows that have failed.

    Raises:
        TransientError: the journal is unreachable.
    """
    log = AlertLog(journal)
    recent = log.recent(model=model)
    open_alerts = [one for one in log.recent(model=model, over=False) if one.message.severity != "info"]
    happened = [one for one in recent if one.instant and one.opened_at >= since and one.message.severity != "info"]
    kinds = {one.kind for one in open_alerts}
    causes = [one for one in (*open_alerts, *happened) if _FOLLOWS.get(one.kind) not in kinds]
    undelivered = [one for one in journal.alerts(model, _ALERTS) if not one.delivered and one.raised_at >= since]
    cards = [
        news.of_open_alert(
            one,
            follows=[other for other in open_alerts if _FOLLOWS.get(other.kind) == one.kind],
            undelivered=[alert for alert in undelivered if one.message.subject in alert.title],
        )
        for one in causes
    ]
    subjects = [one.message.subject for one in recent]
    lost = (alert for alert in undelivered if not any(subject in alert.title for subject in subjects))
    cards += news.merged(map(news.of_alert, lost))
    cards += [
        news.of_batch(one, urls) for one in batches if one.recorded_at >= since and _is_unreported(one, journal, recent)
    ]
    parts = {part for one in open_alerts if one.kind == "failure" for part in one.message.parts}
    cards += [news.of_window(one, urls) for one in failed if f"window {_key(one)}" not in parts]
    return cards


def troubled_models(journal: Journal, names: Sequence[str], since: datetime) -> list[str]:
    """The models that may have cards, in their order: found by indexes, without reading what the cards say.

    Raises:
        TransientError: the journal is unreachable.
    """
    batch, window, sent, seen = batches.c, windows.c, alerts.c, conditions.c
    lasting = select(seen.model).where(seen.closed_at.is_(None) | (seen.opened_at >= since)).distinct()
    newest = select(sent.delivered, sent.raised_at).where(sent.model == _MODEL).order_by(sent.id.desc()).limit(_ALERTS)
    lost = newest.subquery()
    bad = (batch.state == BatchState.REJECTED) | (batch.rows_quarantined > 0)
    signs = (
        exists().where(batch.model == _MODEL, batch.recorded_at >= since, bad),
        exists().where(window.model == _MODEL, window.state == WindowState.FAILED),
        exists(select(lost.c.raised_at).where(lost.c.delivered.is_(False), lost.c.raised_at >= since)),
    )
    with journal.transaction() as connection:
        known = set(connection.execute(lasting).scalars())
        return [
            name for name in names if name in known or any(connection.execute(select(*signs), {"name": name}).one())
        ]


def _is_unreported(batch: BatchRecord, journal: Journal, conditions: Sequence[Alert]) -> bool:
    """Whether nothing else says of a batch that it was rejected, or that rows of it are in quarantine."""
    if batch.state is not BatchState.REJECTED:
        return batch.state is BatchState.PUBLISHED and batch.rows_quarantined > 0
    rejections = (one for one in conditions if one.kind == "rejection" and one.seen_at >= batch.recorded_at)
    return publications.is_rejected(journal, batch.model, batch.uri) and not any(
        batch.uri in one.message.parts for one in rejections
    )


def _key(record: WindowRecord) -> str:
    return key_of(Window(record.window_start, record.window_end))
