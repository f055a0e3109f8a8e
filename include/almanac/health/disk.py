"""Looks how full the disk is on which an installation keeps things."""

import shutil
from datetime import datetime

from almanac.alerts.message import Message, event_message
from almanac.config.home import Home
from almanac.journal.records import RunRef


def disk_message(home: Home, max_share: float, run: RunRef, now: datetime) -> Message | None:
    """The alert that the disk fills; None while there is room.

    Args:
        home: on whose disk.
        max_share: how full it may be, 0 to 1.
        run: the run of this check.
        now: aware.
    """
    used = shutil.disk_usage(home.home)
    share = 1 - used.free / used.total
    if share <= max_share:
        return None
    return event_message(
        "disk",
        severity="critical",
        model="",
        subject=f"the disk of {home.home} is {share:.0%} full",
        run=run,
        now=now,
        words=f"{used.free / 1e9:.1f} GB of {used.total / 1e9:.1f} GB are free; the limit is {max_share:.0%}. When"
        " the disk is full, nothing is published: no batch at all, and none in part.",
        what_to_do="Free space: the page Storage shows what uses it; shorten what is kept, or move a storage location.",
    )
