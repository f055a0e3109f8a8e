"""Conditions are told once, counted while they last, and ended; what does not arrive is tried again and is seen."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message, event_message
from almanac.alerts.notifier import Notifier
from almanac.backup.coverage import CoverageGap, find_gaps, live_subjects, taken_by_journal
from almanac.config.files.loader import load_installation, load_models
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.installation import Installation
from almanac.config.sections.alerts import Alerts, Channel
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.errors import PermanentError, TransientError
from almanac.health.backups import missed_backup
from almanac.health.disk import disk_message
from almanac.health.drills import overdue_messages
from almanac.health.rounds import run_checks
from almanac.journal.backup_times import proven_times
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, DrillRecord, RunRef, SnapshotRecord

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRef("monitor_weather", "manual__1", 1, started_by="ann")
ALERTS = Alerts.model_validate(
    {
        "channels": {
            "pager": {"kind": "webhook", "connection": "almanac_webhook"},
            "chat": {"kind": "apprise", "connection": "almanac_chat"},
        }
    }
)


@dataclass
class Outbox:
    """Keeps what is sent; channels in `broken` refuse."""

    sent: list[tuple[str, Message]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)

    def reaches(self, channel: Channel) -> bool:
        return channel.connection not in self.missing

    def send(self, channel: Channel, message: Message) -> None:
        if channel.connection in self.broken:
            raise TransientError("receiver is away")
        self.sent.append((channel.connection, message))

    def subjects(self, connection: str = "almanac_webhook") -> list[str]:
        return [message.subject for to, message in self.sent if to == connection]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
def notifier(journal: Journal, outbox: Outbox, logged: list[str]) -> Notifier:
    return Notifier(journal, outbox, logged.append, RUN)


def message(severity: Any = "warning", words: str = "KS .31, limit .10") -> Message:
    return event_message(
        "drift",
        severity=severity,
        model="weather",
        subject="pressure has drifted",
        words=words,
        what_to_do="Look.",
        run=RUN,
        now=NOON,
    )


def see(notifier: Notifier, at: datetime = NOON, **more: Any) -> None:
    notifier.open(ALERTS, message(**more), "drift", "Pressure", at)


def test_seen_again_and_again_is_reported_once_and_counted(notifier, outbox, journal):
    for hour in range(5):
        see(notifier, NOON + timedelta(hours=hour), words=f"KS .3{hour}")

    assert outbox.subjects() == ["pressure has drifted"]
    (alert,) = AlertLog(journal).recent()
    assert (alert.times, alert.message.error) == (5, "KS .34")
    assert alert.told_to == ("pager", "chat")


def test_ended_is_reported_once_and_a_new_one_is_reported_again(notifier, outbox):
    see(notifier)
    notifier.resolve(ALERTS, "weather", "drift", "Pressure", NOON + timedelta(hours=1))
    notifier.resolve(ALERTS, "weather", "drift", "Pressure", NOON + timedelta(hours=2))
    see(notifier, NOON + timedelta(hours=3))

    assert outbox.subjects() == ["pressure has drifted", "over: pressure has drifted", "pressure has drifted"]


def test_ended_but_ends_what_is_no_longer_seen(notifier, outbox):
    for key in ("Humidity", "Pressure"):
        notifier.open(ALERTS, message(), "drift", key, NOON)
    notifier.resolve_except(ALERTS, "weather", "drift", ["Pressure"], NOON + timedelta(hours=1))

    assert len([subject for subject in outbox.subjects() if subject.startswith("over")]) == 1


def test_happened_is_reported_once_without_an_end(notifier, outbox, journal):
    notifier.notify_once(ALERTS, message(), "late", "run 1", NOON)
    notifier.process_due({"weather": ALERTS}, ALERTS, NOON + timedelta(days=2))

    assert outbox.subjects() == ["pressure has drifted"]
    assert AlertLog(journal).unclosed() == []


def test_attend_reports_what_quiet_hours_held_back_and_its_end(notifier, outbox):
    quiet = ALERTS.model_copy(
        update={"quiet_hours": Alerts.model_validate({"quiet_hours": {"between": "22:00-07:00"}}).quiet_hours}
    )
    night, morning = NOON + timedelta(hours=12), NOON + timedelta(hours=20)
    notifier.open(quiet, message(), "drift", "Pressure", night)
    notifier.resolve(quiet, "weather", "drift", "Pressure", night + timedelta(hours=1))
    assert outbox.sent == []

    for _ in range(3):
        notifier.process_due({"weather": quiet}, quiet, morning)

    assert outbox.subjects() == ["pressure has drifted", "over: pressure has drifted"]


def test_attend_tries_a_channel_again_that_was_not_reached_and_reports_the_others_of_it(notifier, outbox, journal):
    outbox.broken = {"almanac_chat"}
    see(notifier)
    assert outbox.subjects() == ["pressure has drifted", "alerts by chat do not arrive"]
    assert "receiver is away" in next(alert.error for alert in journal.alerts("weather") if not alert.delivered)

    outbox.broken = set()
    notifier.process_due({"weather": ALERTS}, ALERTS, NOON + timedelta(minutes=5))

    assert "pressure has drifted" in outbox.subjects("almanac_chat")
    assert outbox.subjects().count("pressure has drifted") == 1
    assert "over: alerts by chat do not arrive" in outbox.subjects()


def test_attend_reminds_and_escalates_until_somebody_takes_it_on(notifier, outbox, journal):
    strict = Alerts.model_validate(
        {**ALERTS.model_dump(), "routes": {"critical": ["pager"]}, "escalate": {"after": "1h", "to": ["chat"]}}
    )
    notifier.open(strict, message("critical"), "drift", "Pressure", NOON)
    for hour in range(1, 25):
        notifier.process_due({"weather": strict}, strict, NOON + timedelta(hours=hour, minutes=1))
    assert outbox.subjects("almanac_chat") == ["not acknowledged: pressure has drifted"]
    assert outbox.subjects().count("still: pressure has drifted") == 0  # the escalation was the latest message

    notifier.process_due({"weather": strict}, strict, NOON + timedelta(hours=26))
    assert outbox.subjects().count("still: pressure has drifted") == 1

    AlertLog(journal).acknowledge(1, "ann", NOON + timedelta(hours=27))
    notifier.process_due({"weather": strict}, strict, NOON + timedelta(days=9))
    assert len(outbox.sent) == 3


def test_seen_without_any_channel_goes_to_log_and_journal(notifier, outbox, journal, logged):
    outbox.missing = {"almanac_webhook", "almanac_chat"}
    see(notifier)
    see(notifier)

    assert len(logged) == 1
    assert "KS .31, limit .10" in logged[0]
    assert [alert.channel for alert in journal.alerts("weather")] == ["log"]


def test_acknowledge_what_is_over_is_refused(notifier, journal):
    see(notifier)
    notifier.resolve(ALERTS, "weather", "drift", "Pressure", NOON)

    with pytest.raises(PermanentError, match="alert 1: closed since"):
        AlertLog(journal).acknowledge(1, "ann", NOON)


def test_acknowledge_unknown_number_says_where_numbers_are(journal):
    with pytest.raises(PermanentError, match="alert 7: there is none; `almanac alerts list` shows what is open"):
        AlertLog(journal).acknowledge(7, "ann", NOON)


def test_disk_message_only_when_the_disk_is_fuller_than_the_limit(tmp_path):
    home = Home(home=tmp_path)

    assert disk_message(home, 1.0, RUN, NOON) is None
    full = disk_message(home, 0.0, RUN, NOON)
    assert full is not None
    assert full.severity == "critical"
    assert "GB are free; the limit is 0%" in full.error


def test_rounds_attend_acknowledges_in_the_name_of_who_started_the_run(tmp_path, outbox, logged):
    home = Home(home=tmp_path)
    journal = Journal(home.journal_url)
    notifier = Notifier(journal, outbox, logged.append, RUN)
    see(notifier)

    models, installation = load_models(MODELS_FOLDER).models, load_installation(MODELS_FOLDER)
    done = run_checks(
        home, models, installation, notifier, acknowledge=[1], broker_url="", tasks=None, run=RUN, now=NOON
    )

    assert done["acknowledged"] == 1
    assert AlertLog(journal).alert(1).acknowledged_by == "ann"


def test_rounds_attend_reports_of_a_drill_that_is_too_old_and_of_its_end(tmp_path, outbox, logged):
    home, installation = Home(home=tmp_path), load_installation(MODELS_FOLDER)
    journal = Journal(home.journal_url)
    notifier = Notifier(journal, outbox, logged.append, RUN)
    for subject in ("dataset/weather", "database/journal"):
        journal.record_snapshot(SnapshotRecord("file:///backups", subject, "a", NOON, 1, 1, 1, RUN))

    def make_a_round(day: int) -> None:
        now = NOON + timedelta(days=day)
        run_checks(home, (), installation, notifier, acknowledge=[], broker_url="", tasks=None, run=RUN, now=now)

    journal.record_snapshot(SnapshotRecord("file:///backups", "group/all", "g", NOON + timedelta(days=9), 1, 1, 1, RUN))
    make_a_round(7)
    assert outbox.subjects() == []
    make_a_round(9)
    assert "2 subjects: no restore drill has succeeded" in outbox.subjects()
    for day, subject in ((9, "dataset/weather"), (10, "database/journal")):
        drilled = NOON + timedelta(days=day)
        journal.record_drill(DrillRecord("file:///backups", subject, "a", 4, True, False, (), drilled, 1.0, 1.0, RUN))
        make_a_round(10)
    sent = [subject for subject in outbox.subjects() if "drill" in subject and not subject.startswith("still")]
    assert sent == [
        "2 subjects: no restore drill has succeeded",
        "over: database/journal: no restore drill has succeeded",
    ]


def quiet_about_services() -> Installation:
    """Rounds that are days apart would tell that nobody looked."""
    shipped = load_installation(MODELS_FOLDER)
    silent = shipped.alerts.model_copy(update={"silent": (*shipped.alerts.silent, "service")})
    return shipped.model_copy(update={"alerts": silent})


def test_rounds_attend_reports_of_a_backup_that_was_missed_and_of_its_end(tmp_path, outbox, logged):
    home, installation = Home(home=tmp_path), quiet_about_services()
    journal = Journal(home.journal_url)
    notifier = Notifier(journal, outbox, logged.append, RUN)

    def make_a_round(hours: int) -> None:
        run_checks(
            home,
            (),
            installation,
            notifier,
            acknowledge=[],
            broker_url="",
            tasks=None,
            run=RUN,
            now=NOON + timedelta(hours=hours),
        )

    make_a_round(0)  # nothing was ever made that could be lost
    journal.record_snapshot(SnapshotRecord("file:///backups", "model/weather", "a", NOON, 1, 1, 1, RUN))
    make_a_round(47)
    assert outbox.subjects() == []
    make_a_round(49)
    make_a_round(50)
    assert outbox.subjects() == ["the backup of everything is overdue"]
    taken = NOON + timedelta(hours=50)
    for subject in ("database/journal", "group/all"):
        journal.record_snapshot(SnapshotRecord("file:///backups", subject, "a", taken, 1, 1, 1, RUN))
    make_a_round(51)
    assert outbox.subjects()[-1] == "over: the backup of everything is overdue"


def gaps(home: Path, journal: Journal, now: datetime, **more: Any) -> tuple[CoverageGap, ...]:
    """By the journal alone, as when no place can be opened."""
    settings, found = InstallationBackup(), live_subjects(Home(home=home), ["weather"], journal, now)
    return find_gaps(found, taken_by_journal(journal), proven_times(journal), settings, now=now, **more)


def test_missed_backup_of_a_model_in_production_that_was_never_backed_up_says_so(tmp_path, journal):
    journal.record_alias_move(AliasMove("weather", "champion", "", "1", "passed", NOON, RUN))
    now = NOON + timedelta(days=3)
    message = missed_backup(gaps(tmp_path, journal, now), timedelta(days=2), RUN, now)
    assert message is not None
    assert message.error.startswith("There is none yet; `backup.max_age` is 2 days.")
    assert "no snapshot: database/journal, model/weather, group/all" in message.error


@pytest.mark.parametrize("drill", [{"passed": False}, {"meant_to_fail": True}])
def test_overdue_messages_a_drill_that_failed_or_was_meant_to_proves_nothing(tmp_path, journal, drill):
    journal.record_snapshot(SnapshotRecord("file:///backups", "dataset/weather", "a", NOON, 1, 1, 1, RUN))
    good = DrillRecord("file:///backups", "dataset/weather", "a", 4, True, False, (), NOON, 1.0, 1.0, RUN)
    journal.record_drill(replace(good, **drill))

    now = NOON + timedelta(days=9)
    late = overdue_messages(gaps(tmp_path, journal, now), timedelta(days=8), RUN, now)

    assert late["subjects"].subject == "dataset/weather: no restore drill has succeeded"
    assert "none yet" in late["subjects"].error


def test_overdue_messages_the_loss_of_the_machine_has_an_age_of_its_own(tmp_path, journal):
    journal.record_snapshot(SnapshotRecord("file:///backups", "group/all", "a", NOON, 1, 1, 1, RUN))
    for days, subject in ((1, "disaster/all"), (39, "group/all")):
        at = NOON + timedelta(days=days)
        journal.record_drill(DrillRecord("file:///backups", subject, "a", 6, True, False, (), at, 1.0, 1.0, RUN))

    def late(days: int, age: timedelta | None = timedelta(days=35)) -> dict[str, str]:
        now = NOON + timedelta(days=days)
        missing = gaps(tmp_path, journal, now, disaster_max_age=age)
        found = overdue_messages(missing, timedelta(days=8), RUN, now, disaster_max_age=age)
        return {subject: message.what_to_do for subject, message in found.items()}

    assert late(35) == {}
    assert list(late(40)) == ["disaster/all"]
    assert "`almanac drill --disaster`" in late(40)["disaster/all"]
    assert late(40, None) == {}


def test_channel_whose_connection_is_missing_hides_neither_reminder_nor_end(notifier, outbox, journal, logged):
    outbox.missing.add("almanac_chat")
    see(notifier)
    see(notifier, NOON + timedelta(hours=1))
    notifier.process_due({"weather": ALERTS}, ALERTS, NOON + timedelta(days=2))
    notifier.resolve(ALERTS, "weather", "drift", "Pressure", NOON + timedelta(days=3))

    what = "pressure has drifted"
    assert outbox.subjects() == [what, f"still: {what}", f"over: {what}"]
    assert logged == []
