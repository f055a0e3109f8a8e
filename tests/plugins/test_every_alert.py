"""Each kind of alert, told by whatever tells it, reaches a real mail server and web hook; and each can be silent."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import yaml

from almanac.ai_search.watch import SearchWatch, watch_all
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import find_model, load_installation
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.config.search_services import SearchIndexes
from almanac.config.sections.alerts import AlertKind, Alerts
from almanac.config.sections.costs import Budget, Prices
from almanac.costs.ledger import record_usage
from almanac.data.ingest.ingest import RejectedFilesError
from almanac.data.sources.http_client import Endpoint
from almanac.health.budgets import report_budgets
from almanac.health.rounds import run_checks
from almanac.journal.file_checks import FileCheck, FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef, SnapshotRecord, TaskUsage
from almanac.monitoring.findings import Condition, Finding, State
from almanac.monitoring.notifications import notify_findings
from almanac.monitoring.result import MonitorResult, MonitorVerdict
from almanac.registry.records import Logged
from almanac.release.rollout_alerts import notify_rollout
from almanac.training.notifications import notify_warnings
from almanac.transfer.refusals import record_refusal
from almanac_airflow.notifiers.alert import ApprovalNotifier, callbacks
from almanac_airflow.notifiers.channels import Connections
from almanac_airflow.notifiers.late import tell_late
from demo.sink import WebhookSink
from tests.servers.mail import Mailbox, mail_server

KINDS: tuple[AlertKind, ...] = get_args(AlertKind)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRef("monitor_weather", "manual__1")
MAIL, HOOK, DEAD = (f"almanac_{name}" for name in ("smtp", "webhook", "dead"))
CHANNELS: dict[str, Any] = {
    "mail": {"kind": "smtp", "connection": MAIL, "recipients": ["ops@port.example"]},
    "hook": {"kind": "webhook", "connection": HOOK},
}
EVERYWHERE: dict[str, Any] = dict.fromkeys(("info", "warning", "critical"), ("mail", "hook"))


class People:
    """Who is told, and everything that tells them."""

    def __init__(self, home: Home, mailbox: Mailbox, hook: WebhookSink) -> None:
        self.home = home
        self.mailbox = mailbox
        self.hook = hook
        self.journal = Journal(home.journal_url)
        self.notifier = Notifier(self.journal, Connections(), print, RUN)

    def subjects(self) -> tuple[list[str], list[str]]:
        return self.mailbox.subjects, [str(one["subject"]) for one in self.hook.received]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    dead = {"conn_type": "http", "host": "http://127.0.0.1:9/nobody-listens-here"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{DEAD.upper()}", json.dumps(dead))
    monkeypatch.setattr("almanac.alerts.delivery._post.retry.wait", lambda *_: 0)
    with mail_server() as mailbox, WebhookSink() as hook:
        monkeypatch.setenv(f"AIRFLOW_CONN_{MAIL.upper()}", mailbox.connection)
        monkeypatch.setenv(f"AIRFLOW_CONN_{HOOK.upper()}", hook.connection)
        yield People(Home(), mailbox, hook)


def weather(alerts: Alerts) -> Model:
    return find_model(MODELS_FOLDER, "weather").model_copy(update={"alerts": alerts})


def task() -> SimpleNamespace:
    return SimpleNamespace(dag_id="ingest_weather", run_id="r", task_id="publish", try_number=1, log_url="http://x/log")


def by_callback(name: str) -> Callable[[People, Alerts], None]:
    """As Airflow calls what `callbacks` gives every task of a model."""

    def report(people: People, alerts: Alerts) -> None:
        found = callbacks("weather", alerts).get(name, [])
        for notifier in found if isinstance(found, list) else [found]:
            notifier({"ti": task(), "exception": ValueError("unit is feet")})

    return report


def tell_rejection(people: People, alerts: Alerts) -> None:
    """As Airflow calls what `callbacks` gives every task, when the last task of an ingest says what was rejected."""
    error = RejectedFilesError("a.csv: no column x", [{"uri": "file:///landing/a.csv"}])
    callbacks("weather", alerts)["on_failure_callback"]({"ti": task(), "exception": error})


def tell_deadline(people: People, alerts: Alerts) -> None:
    """As the triggerer calls it, which reads the model's YAML again."""
    models = people.home.home / "models"
    shutil.copytree(MODELS_FOLDER, models)
    declared = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    declared["alerts"] = alerts.model_dump(mode="json")
    (models / "weather.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    run = {"dag_id": "train_weather", "dag_run_id": "r"}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ALMANAC_MODELS", str(models))
        asyncio.run(tell_late({"dag_run": run}, model="weather", kind="train", deadline="2h"))


def tell_question(people: People, alerts: Alerts) -> None:
    operator = SimpleNamespace(
        subject="Promote weather version 7?", hitl_summary={}, generate_link_to_ui=lambda **_: "http://x/actions"
    )
    ApprovalNotifier("weather", alerts)({"ti": task(), "task": operator})


def tell_training(people: People, alerts: Alerts) -> None:
    logged = Logged("weather", "m", {"almanac.warnings": "forest: the loss is stuck"})
    notify_warnings(people.notifier, weather(alerts), logged, run=RUN, now=NOON)


def tell_rollout(people: People, alerts: Alerts) -> None:
    state, figures = RolloutState.FALLING_BACK, {"errors.observed": 0.2}
    at = RolloutTransition("weather", 1, 2, "5", "4", state, 0, 0.0, 2, "errors: 20%", NOON, RUN, figures)
    notify_rollout(people.notifier, weather(alerts), at, run=RUN, now=NOON)


def tell_budget(people: People, alerts: Alerts) -> None:
    hour = TaskUsage("weather", "train", "train", -1, "success", "", "", NOON, 1.0, 3600.0, 0, RUN)
    record_usage(people.journal, hour)
    model = weather(alerts).model_copy(update={"budget": Budget(monthly=1.0)})
    report_budgets(people.notifier, [model], Prices(currency="EUR", cpu_hour=1.0), people.journal, RUN, NOON)


def tell_finding(alert: Condition) -> Callable[[People, Alerts], None]:
    def report(people: People, alerts: Alerts) -> None:
        finding = Finding(alert, State.ALARM, "x", f"{alert}: .9, limit .1")
        result = MonitorResult("weather", MonitorVerdict.QUIET, (), NOON, (finding,))
        notify_findings(weather(alerts), result, people.notifier, run=RUN, link="http://x", now=NOON)

    return report


def make_a_round(people: People, alerts: Alerts, *, days: int = 0, subject: str = "", full: float = 1.0) -> None:
    """As the DAG `alerts` does every five minutes; `subject` was backed up at the first noon."""
    if subject:
        people.journal.record_snapshot(SnapshotRecord("file:///b", subject, "a", NOON, 1, 1, 1, RUN))
    shipped = load_installation(MODELS_FOLDER)
    installation = Installation.model_validate(
        {**shipped.model_dump(exclude={"alerts", "max_disk_share"}), "alerts": alerts, "max_disk_share": full}
    )
    now = NOON + timedelta(days=days)
    run_checks(
        people.home, (), installation, people.notifier, acknowledge=[], broker_url="", tasks=None, run=RUN, now=now
    )


def tell_damaged_file(people: People, alerts: Alerts) -> None:
    FileChecks(people.journal).record(FileCheck("dataset/weather", 0, 1, NOON, 1, 1, ("a: is gone",)))
    make_a_round(people, alerts)


def make_no_rounds_for_a_day(people: People, alerts: Alerts) -> None:
    make_a_round(people, alerts)
    make_a_round(people, alerts, days=1)


def tell_dead_channel(people: People, alerts: Alerts) -> None:
    """What one channel does not take is told by the others."""
    both = {**alerts.model_dump(), "channels": {**CHANNELS, "dead": {"kind": "webhook", "connection": DEAD}}}
    both["routes"] = {**EVERYWHERE, "warning": ("dead",)}
    both["silent"] = [kind for kind in alerts.silent if kind != "volume"]
    tell_finding(Condition.VOLUME)(people, Alerts.model_validate(both))


def tell_import(people: People, alerts: Alerts) -> None:
    """As `almanac import` writes it, and the next round of the DAG `alerts` sends it."""
    record_refusal(people.journal, "weather", "weather-3.tar", "signed by a stranger", by="ada", now=NOON)
    people.notifier.process_due({"weather": alerts}, alerts, NOON)


def tell_search(people: People, alerts: Alerts) -> None:
    """As the DAG `watch_search` does; nothing listens at this address."""
    declared = SearchIndexes.model_validate({"services": {"harbour": {"connection": "c", "timeout": "1s"}}})
    watch = SearchWatch(people.home, people.journal, {}, lambda _: Endpoint("http://127.0.0.1:9"), NOON, lambda _: None)
    watch_all(declared, watch, people.notifier, alerts, RUN)


TELLS: dict[AlertKind, Callable[[People, Alerts], None]] = {
    "start": by_callback("on_execute_callback"),
    "end": by_callback("on_success_callback"),
    "retry": by_callback("on_retry_callback"),
    "failure": by_callback("on_failure_callback"),
    "late": tell_deadline,
    "approval": tell_question,
    "rejection": tell_rejection,
    "training": tell_training,
    "rollout": tell_rollout,
    "budget": tell_budget,
    **{condition.value: tell_finding(condition) for condition in Condition},
    "backup": lambda people, alerts: make_a_round(people, alerts, days=3, subject="model/weather"),
    "drill": lambda people, alerts: make_a_round(people, alerts, days=9, subject="group/all"),
    "damage": tell_damaged_file,
    "disk": lambda people, alerts: make_a_round(people, alerts, full=0.0),
    "delivery": tell_dead_channel,
    "service": make_no_rounds_for_a_day,
    "import": tell_import,
    "search": tell_search,
}


def only(kind: AlertKind) -> Alerts:
    silent = [other for other in KINDS if other != kind]
    return Alerts.model_validate({"channels": CHANNELS, "routes": EVERYWHERE, "silent": silent})


@pytest.mark.parametrize("kind", KINDS)
def test_alert_of_every_kind_is_received_once_by_mail_and_by_web_hook(kind: AlertKind, people: People) -> None:
    TELLS[kind](people, only(kind))

    mails, posts = people.subjects()
    assert len(mails) == 1
    assert mails == posts
    (post,) = people.hook.received
    assert post["runbook"] == f"docs/operations.md#alert-{kind}"
    assert post["what_to_do"]
    assert all(alert.delivered for alert in people.journal.alerts() if alert.channel in CHANNELS)


@pytest.mark.parametrize("kind", KINDS)
def test_alert_of_every_kind_can_be_switched_off(kind: AlertKind, people: People) -> None:
    TELLS[kind](people, Alerts.model_validate({"channels": CHANNELS, "routes": EVERYWHERE, "silent": KINDS}))

    assert people.subjects() == ([], [])
