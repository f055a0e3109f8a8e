"""An alert about a thing ends with that thing: another window, another file or a dry run says nothing of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message, failure_message
from almanac.alerts.notifier import Notifier
from almanac.alerts.run_scope import WHOLE, covers, scope_of
from almanac.config.sections.alerts import AlertKind
from almanac.errors import PermanentError
from almanac.health.rejections import end_resolved, rejection_message
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival, BatchRecord, BatchState, RunRef
from tests.alerts.test_notifier import ALERTS, NOON, RUN, Outbox, journal, logged, notifier, outbox

__all__ = ["journal", "logged", "notifier", "outbox"]  # fixtures

KEY = "ingest_weather.report_rejections"
A, B = "file:///landing/weather/a.csv", "file:///landing/weather/b.csv"
IS, OVER = "weather: a.csv was rejected", "over: weather: a.csv was rejected"


@pytest.mark.parametrize(
    ("done", "failed", "covered"),
    [
        ((None, {}), (None, {}), True),
        (("2026-01-01", {}), ("2026-01-01", {"since": "x"}), True),
        (("2026-01-02", {}), ("2026-01-01", {}), False),
        ((None, {}), ("2026-01-01", {}), False),
        ((None, {"dry_run": True}), (None, {}), False),
        ((None, {"files": ["b.csv"]}), (None, {}), False),
        ((None, {"files": ["b.csv"]}), (None, {"files": ["a.csv"]}), False),
        ((None, {}), (None, {"files": ["a.csv"]}), True),
        ((None, {}), (None, {"since": "2026-01-01T00:00:00"}), True),
        ((None, {"subjects": ["dataset/x"]}), (None, {}), False),
        ((None, {"version": "4"}), (None, {"version": "3"}), False),
        ((None, {}), (None, {"version": "3"}), False),
        ((None, {"snapshot": "a", "replace": True, "reason": "again"}), (None, {"snapshot": "a"}), True),
        ((None, {"snapshot": "b"}), (None, {"snapshot": "a"}), False),
    ],
)
def test_covers_only_a_run_about_the_same_makes_a_failure_good(done: Any, failed: Any, covered: bool) -> None:
    assert covers(scope_of(*done), scope_of(*failed)) is covered


def batch(uri: str, state: BatchState, *, name: str = "1", at: datetime = NOON) -> BatchRecord:
    return BatchRecord(
        model="weather",
        batch_id=name * 64,
        uri=uri,
        size_bytes=1,
        modified_at=at,
        state=state,
        rows_read=1,
        rows_published=0,
        rows_quarantined=0,
        rows_dropped=0,
        recorded_at=at,
        run=RUN,
    )


def reject(notifier: Notifier, journal: Journal, *uris: str, at: datetime = NOON) -> None:
    """As the ingest writes it down and its last task tells it."""
    for number, uri in enumerate(uris, start=1):
        journal.record_batch(batch(uri, BatchState.REJECTED, name=f"{number}", at=at))
    message = rejection_message(
        "weather",
        [{"uri": uri} for uri in uris],
        words="no column x",
        run=RUN,
        task_id="report_rejections",
        link="",
        now=at,
    )
    notifier.open(ALERTS, message, "rejection", KEY, at)


def look(notifier: Notifier, journal: Journal, *, minutes: int = 10) -> None:
    end_resolved(notifier, {"weather": ALERTS}, ALERTS, journal, NOON + timedelta(minutes=minutes))


LATER = NOON + timedelta(minutes=3)


def test_rejection_lasts_while_other_files_are_published(notifier: Notifier, journal: Journal, outbox: Outbox) -> None:
    reject(notifier, journal, A)
    journal.record_batch(batch(B, BatchState.PUBLISHED, name="2", at=LATER))
    look(notifier, journal)

    assert outbox.subjects() == [IS]


@pytest.mark.parametrize("state", [BatchState.PUBLISHED, BatchState.UNCHANGED, BatchState.EMPTY])
def test_rejection_ends_when_the_file_is_delivered_again(
    state: BatchState, notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    reject(notifier, journal, A)
    journal.record_batch(batch(A, state, name="2", at=LATER))
    look(notifier, journal)

    assert outbox.subjects() == [IS, OVER]


def test_rejection_lasts_when_the_file_delivered_again_is_rejected_again(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    reject(notifier, journal, A)
    journal.record_batch(batch(A, BatchState.REJECTED, name="2", at=LATER))
    look(notifier, journal)

    assert outbox.subjects() == [IS]


def test_rejection_ends_when_known_good_bytes_land_in_its_place(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    reject(notifier, journal, A)
    journal.record_arrival(Arrival("weather", A, 1, NOON - timedelta(days=1), "3" * 64, BatchState.DUPLICATE))
    look(notifier, journal)
    assert outbox.subjects() == [IS]

    journal.record_arrival(Arrival("weather", A, 1, LATER, "3" * 64, BatchState.DUPLICATE))
    look(notifier, journal)
    assert outbox.subjects() == [IS, OVER]


def test_rejection_ends_when_the_file_is_readmitted_beside_its_place(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    reject(notifier, journal, A)
    journal.record_batch(batch(A.replace("a.csv", "1_a.csv"), BatchState.PUBLISHED, name="1", at=LATER))
    look(notifier, journal)

    assert outbox.subjects() == [IS, OVER]


def test_rejection_of_two_files_is_one_message_and_ends_with_the_last(
    notifier: Notifier, journal: Journal, outbox: Outbox
) -> None:
    reject(notifier, journal, A, B)
    journal.record_batch(batch(A, BatchState.PUBLISHED, name="8", at=LATER))
    look(notifier, journal)
    (alert,) = AlertLog(journal).recent()
    assert (alert.ended_at, alert.message.parts) == (None, (B,))

    journal.record_batch(batch(B, BatchState.PUBLISHED, name="9", at=LATER))
    look(notifier, journal)
    assert [subject.split(":")[0] for subject in outbox.subjects()] == ["weather", "over"]


def test_rejection_of_one_more_file_is_reported_again(notifier: Notifier, journal: Journal, outbox: Outbox) -> None:
    reject(notifier, journal, A)
    reject(notifier, journal, B)

    assert outbox.subjects() == [IS, "weather: b.csv was rejected"]
    assert AlertLog(journal).recent()[0].message.parts == (A, B)


def fail(notifier: Notifier, subject: str, at: datetime = NOON) -> None:
    run = RunRef("window_weather", f"scheduled__{subject}")
    message = failure_message(
        model="weather", run=run, task_id="close", error="store away", link="", now=at, about=subject
    )
    notifier.open(ALERTS, message, "failure", "window_weather.close", at)


def well(notifier: Notifier, done: str) -> None:
    notifier.resolve_parts(ALERTS, "weather", "failure", "window_weather.close", lambda part: covers(done, part), LATER)


def test_failures_of_windows_are_one_message_and_end_with_the_last(notifier: Notifier, outbox: Outbox) -> None:
    for subject in ("window 1", "window 2", "window 1"):
        fail(notifier, subject)
    well(notifier, "window 3")
    well(notifier, "window 1")
    assert outbox.subjects() == ["window_weather: close failed"]

    well(notifier, "window 2")
    assert outbox.subjects() == ["window_weather: close failed", "over: window_weather: close failed"]


def test_failure_says_which_window_it_is_about() -> None:
    message = failure_message(
        model="weather", run=RUN, task_id="close", error="away", link="", now=NOON, about="window 2026-01-01"
    )
    assert message.error == "window 2026-01-01: away"


def test_failure_of_an_older_version_without_parts_ends_with_the_next_success(
    notifier: Notifier, outbox: Outbox
) -> None:
    message = failure_message(model="weather", run=RUN, task_id="close", error="away", link="", now=NOON)
    notifier.open(ALERTS, replace(message, parts=()), "failure", "window_weather.close", NOON)
    well(notifier, "window 1")

    assert outbox.subjects()[-1] == "over: monitor_weather: close failed"
    assert scope_of(None, None) == WHOLE


def test_dismiss_ends_with_who_and_why(notifier: Notifier, journal: Journal, outbox: Outbox) -> None:
    reject(notifier, journal, A)
    AlertLog(journal).dismiss(1, "ann", "the sender has gone", NOON + timedelta(hours=1))
    notifier.process_due({"weather": ALERTS}, ALERTS, NOON + timedelta(hours=2))

    assert outbox.subjects() == [IS, OVER]
    assert outbox.sent[-1][1].what_to_do == "Nothing; ann has dismissed it: the sender has gone"
    look(notifier, journal)
    assert len(AlertLog(journal).recent()) == 1


def test_dismiss_without_a_reason_is_refused(notifier: Notifier, journal: Journal) -> None:
    reject(notifier, journal, A)
    with pytest.raises(PermanentError, match="alert 1: no reason given"):
        AlertLog(journal).dismiss(1, "ann", "  ", NOON)


def test_dismiss_what_is_over_is_refused(notifier: Notifier, journal: Journal) -> None:
    reject(notifier, journal, A)
    AlertLog(journal).dismiss(1, "ann", "gone", NOON)
    with pytest.raises(PermanentError, match="alert 1: closed since"):
        AlertLog(journal).dismiss(1, "ann", "gone", NOON)


@pytest.mark.parametrize("kind", ["disk", "backup", "drill", "damage"])
def test_dismiss_what_would_be_reported_again_is_refused(kind: AlertKind, notifier: Notifier, journal: Journal) -> None:
    message = event_message(
        kind, severity="critical", model="", subject="x", words="x", what_to_do="x", run=RUN, now=NOON
    )
    notifier.open(ALERTS, message, kind, "x", NOON)
    with pytest.raises(PermanentError, match="almanac alerts ack 1"):
        AlertLog(journal).dismiss(1, "ann", "it is fine", NOON)
