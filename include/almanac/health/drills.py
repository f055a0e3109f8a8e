"""Alerts when restore drills are overdue."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from almanac.alerts.message import Message, event_message
from almanac.backup.coverage import CoverageGap
from almanac.backup.drill.drills import DISASTER
from almanac.journal.records import RunRef

SUBJECTS = "subjects"


def overdue_messages(
    gaps: Sequence[CoverageGap],
    max_age: timedelta,
    run: RunRef,
    now: datetime,
    *,
    disaster_max_age: timedelta | None = None,
) -> dict[str, Message]:
    """The alerts for drills that are overdue: one for all subjects, one for the loss of the whole machine.

    Args:
        gaps: what is missing.
        max_age: how old a good drill may be.
        run: the run of this check.
        now: aware.
        disaster_max_age: how old the last drill of the loss of the whole machine may be; None: none is played here.
    """
    late = [gap for gap in gaps if gap.kind == "drill" and gap.overdue]
    disaster = [gap for gap in late if gap.subject == DISASTER]
    others = [gap for gap in late if gap.subject != DISASTER]
    found = {SUBJECTS: _message(others, max_age, "almanac drill", run, now)} if others else {}
    if disaster:
        found[DISASTER] = _message(disaster, disaster_max_age or max_age, "almanac drill --disaster", run, now)
    return found


def _message(late: Sequence[CoverageGap], max_age: timedelta, command: str, run: RunRef, now: datetime) -> Message:
    lines = [
        f"{gap.subject}: " + (f"the last one was at {gap.last:%Y-%m-%d %H:%M}Z" if gap.last else "there was none yet")
        for gap in late
    ]
    which = late[0].subject if len(late) == 1 else f"{len(late)} subjects"
    return event_message(
        "drill",
        severity="critical",
        model="",
        subject=f"{which}: no restore drill has succeeded",
        run=run,
        now=now,
        words="\n".join(lines) + f"\nAt most {max_age.days} days are allowed (`backup.drills`). Only a restore"
        " proves a backup.",
        parts=tuple(gap.subject for gap in late),
        what_to_do=f"Check whether the DAG restore_drill is paused or fails; `{command}` does the same by hand.",
    )
