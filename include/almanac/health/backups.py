"""Alerts when a backup of everything is overdue."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from almanac.alerts.message import Message, event_message
from almanac.backup.coverage import EVERYTHING, CoverageGap, lines_of
from almanac.journal.records import RunRef


def missed_backup(gaps: Sequence[CoverageGap], max_age: timedelta, run: RunRef, now: datetime) -> Message | None:
    """The alert that snapshots are missing or too old, one for all of them; None while none is overdue.

    Args:
        gaps: what is missing.
        max_age: how old the newest snapshot may be.
        run: the run of this check.
        now: aware.
    """
    late = [gap for gap in gaps if gap.kind == "snapshot" and gap.overdue]
    if not late:
        return None
    group = next((gap for gap in late if gap.subject == EVERYTHING), None)
    names = ", ".join(gap.subject for gap in late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
    subject = "the backup of everything is overdue" if group else f"{names}: backups are overdue"
    when = ""
    if group:
        last = f"The newest is of {group.last:%Y-%m-%d %H:%M}Z" if group.last else "There is none yet"
        when = (
            f"{last}; `backup.max_age` is {max_age / timedelta(days=1):g} days. What came since then has no"
            " second copy.\n"
        )
    return event_message(
        "backup",
        severity="critical",
        model="",
        subject=subject,
        run=run,
        now=now,
        words=when + "\n".join(lines_of(late)),
        parts=tuple(gap.subject for gap in late),
        what_to_do="Check whether the DAG backup_databases is paused or fails; `almanac backup` does the same by hand.",
    )
