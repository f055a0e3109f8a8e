"""What a training showed is told, and nothing is told of a training that showed nothing."""

from datetime import UTC, datetime
from pathlib import Path

from almanac.alerts.notifier import Notifier
from almanac.config.sections.alerts import Alerts
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.records import Logged, Tag
from almanac.training.notifications import notify_warnings
from tests.alerts.test_notifier import Outbox

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALERTS = Alerts.model_validate({"channels": {"pager": {"kind": "webhook", "connection": "hook"}}})


def told(weather, tmp_path: Path, *said: str, alerts: Alerts = ALERTS) -> list:
    outbox, journal = Outbox(), Journal(f"sqlite:///{tmp_path}/journal.db")
    model = weather.model_copy(update={"alerts": alerts})
    for number, words in enumerate(said):
        run = RunRef("train_weather", f"run{number}")
        logged = Logged("weather", "mlflow-run", {Tag.WARNINGS: words} if words else {})
        notify_warnings(Notifier(journal, outbox, print, run), model, logged, run=run, now=NOW)
    return [message for _, message in outbox.sent]


def test_notify_warnings_says_what_was_seen_as_a_warning(weather, tmp_path: Path) -> None:
    messages = told(weather, tmp_path, "learning is stuck after 4 epochs", "deep: max_depth > 5")
    assert [message.error for message in messages] == ["learning is stuck after 4 epochs", "deep: max_depth > 5"]
    assert {message.severity for message in messages} == {"warning"}
    assert "docs/operations.md#alert-training" in messages[0].text


def test_notify_warnings_without_any_notifies_nobody(weather, tmp_path: Path) -> None:
    assert told(weather, tmp_path, "") == []


def test_notify_warnings_of_a_silent_model_notifies_nobody(weather, tmp_path: Path) -> None:
    silent = ALERTS.model_copy(update={"silent": ("training",)})
    assert told(weather, tmp_path, "learning is stuck", alerts=silent) == []
