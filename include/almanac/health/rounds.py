"""The round that is made every few minutes: what became due by the clock alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from almanac.alerts.condition_log import ConditionLog
from almanac.alerts.message import Message
from almanac.alerts.telling import Teller
from almanac.backup.coverage import EVERYTHING
from almanac.backup.drill.disaster_due import disaster_max_age
from almanac.backup.retention.protected import note_declared, protected_models
from almanac.backup.survey import survey
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.config.sections.alerts import AlertKind
from almanac.health.backups import missed_backup
from almanac.health.damage import tell_damage
from almanac.health.disk import disk_message
from almanac.health.drills import overdue_messages
from almanac.health.questions import Waiting, end_unasked
from almanac.health.rejections import end_resolved
from almanac.health.restarts import restart_messages
from almanac.health.snapshots import places_to_look_at, tell_vanished
from almanac.health.unheard import Failures, tell_unheard
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.services.incarnations import Jobs, incarnations, machine


class Tasks(Waiting, Failures, Jobs, Protocol):
    """Who knows how Airflow's tasks and processes stand."""


def attend(
    home: Home,
    models: Sequence[Model],
    installation: Installation,
    teller: Teller,
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
        teller: sends and closes alerts.
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
        ConditionLog(journal).acknowledge(number, run.started_by, now)
    note_declared(home, journal, run=run, now=now)
    for number in dismiss:
        ConditionLog(journal).dismiss(number, run.started_by, reason, now)
    everybody, disk = installation.alerts, disk_message(home, installation.max_disk_share, run, now)
    found: dict[AlertKind, dict[str, Message]] = {
        "disk": {} if disk is None else {str(home.home): disk},
        **_of_backups(teller, home, installation, journal, run, now),
    }
    for kind, messages in found.items():
        for key, message in messages.items():
            teller.seen(everybody, message, kind, key, now)
        teller.ended_but(everybody, "", kind, messages, now)
    tell_damage(teller, home, installation, models, journal, run, now)
    restarts = restart_messages(journal, incarnations(home, broker_url, tasks, now), machine(now), run, now)
    for what, message in restarts.items():
        teller.happened(everybody, message, "service", what, now)
    declared = {model.name: model.alerts for model in models}
    end_unasked(teller, declared, journal, tasks, now)
    end_resolved(teller, declared, everybody, journal, now)
    tell_unheard(teller, declared, everybody, journal, tasks, now)
    told = teller.attend(declared, everybody, now)
    return {"told": told, "restarted": len(restarts), "acknowledged": len(acknowledge), "dismissed": len(dismiss)}


def _of_backups(
    teller: Teller, home: Home, installation: Installation, journal: Journal, run: RunRef, now: datetime
) -> dict[AlertKind, dict[str, Message]]:
    """What is missing of backups and drills; reports missing snapshots."""
    settings, everybody = installation.backup, installation.alerts
    places, disaster = places_to_look_at(home, settings), disaster_max_age(home, settings.drills)
    tell_vanished(teller, everybody, places, journal, run, now)
    gaps = survey(home, protected_models(home).models, journal, places, settings, now=now)
    missed = missed_backup(gaps, settings.max_age, run, now)
    if missed is None:
        teller.ended(everybody, "", "backup", EVERYTHING, now)
    else:
        teller.seen(everybody, missed, "backup", EVERYTHING, now)
    return {"drill": overdue_messages(gaps, settings.drills.max_age, run, now, disaster_max_age=disaster)}
