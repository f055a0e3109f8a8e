"""The round that is made every few minutes: what became due by the clock alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message
from almanac.alerts.notifier import Notifier
from almanac.backup.coverage import EVERYTHING
from almanac.backup.drill.disaster_due import disaster_max_age
from almanac.backup.retention.protected import note_declared, protected_models
from almanac.backup.survey import survey
from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind
from almanac.health.backups import missed_backup
from almanac.health.budgets import report_budgets
from almanac.health.damage import report_damage
from almanac.health.disk import disk_message
from almanac.health.drills import overdue_messages
from almanac.health.expired_approvals import WaitingTasks, resolve_expired
from almanac.health.missing_snapshots import report_missing_snapshots, repositories_to_check
from almanac.health.ready_by import PipelineRuns, report_ready_by
from almanac.health.rejections import end_resolved
from almanac.health.service_uptime import restart_messages
from almanac.health.unreported_failures import Failures, report_unreported_failures
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.services.uptime import Jobs, machine, service_uptimes


class Tasks(WaitingTasks, Failures, Jobs, PipelineRuns, Protocol):
    """Who knows how Airflow's tasks and processes stand."""


def run_checks(
    home: Home,
    models: Sequence[Model],
    installation: Installation,
    notifier: Notifier,
    *,
    acknowledge: Sequence[int],
    dismiss: Sequence[int] = (),
    reason: str = "",
    broker_url: str,
    tasks: Tasks | None,
    run: RunRef,
    now: datetime,
) -> dict[str, int]:
    """Note what was acknowledged and declared; run all checks that depend on time; send what is due.

    Args:
        home: whose disk and journal.
        models: all that are declared.
        installation: whose people are told what belongs to no model.
        notifier: sends and closes alerts.
        acknowledge: numbers of conditions that the person who started the run takes on.
        dismiss: numbers of those that this person ends, for a reason.
        reason: why.
        broker_url: of Celery, if there is one.
        tasks: knows which tasks wait for an answer and which have failed; None: Airflow cannot be asked.
        run: the run that asks.
        now: aware.

    Returns:
        How many messages were due, how many services were started again, how many conditions were acknowledged and
        dismissed.

    Raises:
        PermanentError: there is no such condition, or it is over.
        TransientError: the journal is unreachable.
    """
    journal = Journal(home.journal_url)
    for number in acknowledge:
        AlertLog(journal).acknowledge(number, run.started_by, now)
    note_declared(home, journal, run=run, now=now)
    for number in dismiss:
        AlertLog(journal).dismiss(number, run.started_by, reason, now)
    everybody, disk = installation.alerts, disk_message(home, installation.max_disk_share, run, now)
    found: dict[AlertKind, dict[str, Message]] = {
        "disk": {} if disk is None else {str(home.home): disk},
        **_of_backups(notifier, home, installation, journal, run, now),
    }
    for kind, messages in found.items():
        for key, message in messages.items():
            notifier.open(everybody, message, kind, key, now)
        notifier.resolve_except(everybody, "", kind, messages, now)
    report_damage(notifier, home, installation, models, journal, run, now)
    report_budgets(notifier, models, installation.prices, journal, run, now)
    report_ready_by(notifier, (*models, *load_models(home.models).forecasts), journal, tasks, run, now)
    restarts = restart_messages(journal, service_uptimes(home, broker_url, tasks, now), machine(now), run, now)
    for what, message in restarts.items():
        notifier.notify_once(everybody, message, "service", what, now)
    declared = {model.name: model.alerts for model in models}
    resolve_expired(notifier, declared, journal, tasks, now)
    end_resolved(notifier, declared, everybody, journal, now)
    report_unreported_failures(notifier, declared, everybody, journal, tasks, now)
    notified = notifier.process_due(declared, everybody, now)
    return {"told": notified, "restarted": len(restarts), "acknowledged": len(acknowledge), "dismissed": len(dismiss)}


def _of_backups(
    notifier: Notifier, home: Home, installation: Installation, journal: Journal, run: RunRef, now: datetime
) -> dict[AlertKind, dict[str, Message]]:
    """What is missing of backups and drills; reports missing snapshots."""
    settings, everybody = installation.backup, installation.alerts
    repositories, disaster = repositories_to_check(home, settings), disaster_max_age(home, settings.drills)
    report_missing_snapshots(notifier, everybody, repositories, journal, run, now)
    gaps = survey(home, protected_models(home).models, journal, repositories, settings, now=now)
    missed = missed_backup(gaps, settings.max_age, run, now)
    if missed is None:
        notifier.resolve(everybody, "", "backup", EVERYTHING, now)
    else:
        notifier.open(everybody, missed, "backup", EVERYTHING, now)
    return {"drill": overdue_messages(gaps, settings.drills.max_age, run, now, disaster_max_age=disaster)}
