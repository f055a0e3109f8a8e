"""The start page has one card for each cause, whatever number of messages it has made."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message, failure_message
from almanac.alerts.run_scope import scope_of
from almanac.config.sections.alerts import AlertKind
from almanac.health.rejections import rejection_message
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, DeliveredAlert, RunRef, WindowRecord, WindowState
from almanac.pages.attention import cards_of
from almanac.pages.news import News
from almanac.reporting.urls import Urls
from almanac.windows.tumbling import key_of
from almanac.windows.window import Window

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RUN = RunRef("ingest_weather", "scheduled__1")
URI = "file:///landing/weather/a.csv"
REJECTED = BatchRecord(
    "weather", "a" * 64, URI, 1, NOW, BatchState.REJECTED, 5, 0, 0, 0, NOW, RUN, reasons=("no column x",)
)
START = datetime(2026, 1, 31, tzinfo=UTC)
FAILED = WindowRecord("weather", START, START + timedelta(days=1), WindowState.FAILED, NOW, RUN, reason="store away")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def cards(journal: Journal, **more: Any) -> list[News]:
    batches = journal.batches("weather")
    return cards_of(
        "weather", journal, Urls("", None), NOW - timedelta(days=7), **{"batches": batches, "failed": ()} | more
    )


def headlines(journal: Journal, **more: Any) -> list[str]:
    return [card.headline for card in cards(journal, **more)]


def see(journal: Journal, kind: AlertKind, subject: str) -> None:
    message = event_message(
        kind, severity="warning", model="weather", subject=subject, words="words", what_to_do="look", run=RUN, now=NOW
    )
    AlertLog(journal).record(message, kind, subject, NOW)


def reject(journal: Journal) -> None:
    """A file is rejected, twice looked at and told by two channels, one of which does not answer."""
    journal.record_batch(REJECTED)
    message = rejection_message(
        "weather", [{"uri": URI}], words="a.csv: no column x", run=RUN, task_id="report_rejections", link="", now=NOW
    )
    for _ in range(2):
        AlertLog(journal).record(message, "rejection", "ingest_weather.report_rejections", NOW)
    for channel, delivered in (("mail", True), ("pager", False)):
        for prefix in ("", "still: "):
            journal.record_alert(
                DeliveredAlert(
                    "weather",
                    "critical",
                    f"{prefix}{message.subject}",
                    message.text,
                    channel,
                    delivered,
                    NOW,
                    RUN,
                    "away",
                )
            )
    see(journal, "quality", "weather: quality of batches: alarm")


def test_cards_one_bad_file_is_one_card_with_what_follows(journal: Journal) -> None:
    reject(journal)
    (card,) = cards(journal)
    assert card.headline == "Alert 1, critical: weather: a.csv was rejected"
    assert "a.csv: no column x" in card.lines
    assert "As a consequence, also: weather: quality of batches: alarm" in card.lines
    assert "NOT delivered by pager: away" in card.lines
    assert any(line.startswith("Seen 2 times since 2026-03-01") for line in card.lines)


def test_cards_dismissed_file_needs_no_attention_any_more(journal: Journal) -> None:
    reject(journal)
    AlertLog(journal).dismiss(1, "ann", "the sender has gone", NOW + timedelta(hours=1))
    assert headlines(journal) == ["Alert 2, warning: weather: quality of batches: alarm"]


def test_cards_rejected_file_that_nobody_was_notified_of_is_shown_until_it_is_delivered_again(journal: Journal) -> None:
    journal.record_batch(REJECTED)
    assert headlines(journal) == ["Batch rejected: a.csv (0 of 5 rows published)"]
    later = replace(REJECTED, batch_id="b" * 64, state=BatchState.PUBLISHED, recorded_at=NOW + timedelta(hours=1))
    journal.record_batch(later)
    assert headlines(journal) == []


def test_cards_rows_in_quarantine_are_shown_while_they_are_new(journal: Journal) -> None:
    journal.record_batch(replace(REJECTED, state=BatchState.PUBLISHED, rows_quarantined=2))
    assert headlines(journal) == ["Batch published: a.csv (0 rows published, 2 in quarantine)"]
    old = replace(REJECTED, state=BatchState.PUBLISHED, rows_quarantined=2, recorded_at=NOW - timedelta(days=8))
    journal.record_batch(old)
    assert headlines(journal) == []


def test_cards_other_causes_keep_their_own_card(journal: Journal) -> None:
    reject(journal)
    see(journal, "drift", "weather: drift of x: alarm")
    assert headlines(journal) == [
        "Alert 3, warning: weather: drift of x: alarm",
        "Alert 1, critical: weather: a.csv was rejected",
    ]


def test_cards_what_lasts_is_shown_however_old_and_what_is_over_is_not(journal: Journal) -> None:
    long_ago = NOW - timedelta(days=90)
    for number, subject in enumerate(("lasts", "is over")):
        see(journal, "drift", subject)
        assert AlertLog(journal).alert(number + 1).message.subject == subject
    AlertLog(journal).end("weather", "drift", "is over", long_ago)
    assert headlines(journal) == ["Alert 1, warning: lasts"]


def test_cards_failed_window_is_part_of_its_failure(journal: Journal) -> None:
    assert headlines(journal, failed=[FAILED]) == ["Window failed: 2026-01-31 00:00 to 2026-02-01 00:00 UTC"]
    message = failure_message(
        model="weather",
        run=RUN,
        task_id="close",
        error="store away",
        link="",
        now=NOW,
        about=scope_of(key_of(Window(START, FAILED.window_end)), {}),
    )
    AlertLog(journal).record(message, "failure", "window_weather.close", NOW)
    other = replace(FAILED, window_start=START + timedelta(days=1), window_end=START + timedelta(days=2))
    assert headlines(journal, failed=[FAILED, other]) == [
        "Alert 1, critical: ingest_weather: close failed",
        "Window failed: 2026-02-01 00:00 to 2026-02-02 00:00 UTC",
    ]


def test_cards_message_that_did_not_arrive_and_belongs_to_nothing_is_shown(journal: Journal) -> None:
    journal.record_alert(
        DeliveredAlert("weather", "critical", "it failed", "it failed", "pager", False, NOW, RUN, "away")
    )
    assert headlines(journal) == ["Alert, critical: it failed"]
