"""The round that is made every few minutes: what became due by the clock alone."""

from collections.abc import Sequence
from datetime import datetime

from include.alerts.condition_log import ConditionLog
from include.alerts.disk import disk_message
from include.alerts.telling import Teller
from include.config.alerts import Alerts
from include.config.home import Home
from include.config.schema import Model
from include.journal.journal import Journal
from include.journal.records import RunRef

MAX_DISK_SHARE = 0.9


def attend(
    home: Home, models: Sequence[Model], teller: Teller, *, acknowledge: Sequence[int], run: RunRef, now: datetime
) -> dict[str, int]:
    """Note what was acknowledged, look at the disk, tell what is due.

    What is no model's goes to the channels of all models.

    Args:
        home: whose disk and journal.
        models: all that are declared.
        teller: tells.
        acknowledge: numbers of conditions that the person who started the run takes on.
        run: who asks.
        now: aware.

    Returns:
        How many messages were due, and how many conditions were acknowledged.

    Raises:
        PermanentError: there is no such condition, or it is over.
        TransientError: the journal is away.
    """
    log = ConditionLog(Journal(home.journal_url))
    for number in acknowledge:
        log.acknowledge(number, run.started_by, now)
    everybody = Alerts(channels={name: channel for model in models for name, channel in model.alerts.channels.items()})
    message = disk_message(home, MAX_DISK_SHARE, run, now)
    if message is None:
        teller.ended(everybody, "", "disk", str(home.home), now)
    else:
        teller.seen(everybody, message, "disk", str(home.home), now)
    told = teller.attend({model.name: model.alerts for model in models}, everybody, now)
    return {"told": told, "acknowledged": len(acknowledge)}
