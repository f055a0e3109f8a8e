"""Records snapshots and drills in the journal. The repository is authoritative; the journal is for queries."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from almanac.backup.drill.drills import DrillResult
from almanac.backup.snapshot.writer import WrittenSnapshot
from almanac.backup.store.manifest import Ref
from almanac.config.home import Home
from almanac.data.table.loss import accept_restored
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, DrillRecord, RunRef, SnapshotRecord


def record_taken(journal: Journal, place: str, taken: Iterable[WrittenSnapshot], run: RunRef) -> None:
    """Write one row for each new snapshot.

    Raises:
        TransientError: the journal is unreachable.
    """
    for one in taken:
        if one.written:
            ref, manifest = one.ref, one.manifest
            journal.record_snapshot(
                SnapshotRecord(
                    place, ref.subject, ref.name, ref.created, len(manifest.files), manifest.size, one.bytes_stored, run
                )
            )


def record_restore(journal: Journal, ref: Ref, lines: Sequence[str], run: RunRef, reason: str, now: datetime) -> None:
    """Write who has put what back where, and why.

    Raises:
        TransientError: the journal is unreachable.
    """
    kind, _, name = ref.subject.partition("/")
    model = name if kind in ("model", "dataset", "outputs") else ""
    reasons = tuple(filter(None, (reason, *lines)))
    journal.record_decision(Decision(model, DecisionKind.RESTORE, True, reasons, now, run, subject=str(ref)))


def accept_restored_tables(
    home: Home, refs: Iterable[Ref], journal: Journal, run: RunRef, reason: str, now: datetime
) -> None:
    """Let writers go on from the tables that were put back; see `almanac.data.table.loss`.

    Args:
        home: where they are.
        refs: the snapshots; of a group its members.
        journal: of the home, as it is after the restore.
        run: the run that restored.
        reason: why.
        now: aware.

    Raises:
        TransientError: a store or the journal is unreachable.
    """
    for ref in refs:
        accept_restored(home, ref.subject, journal, reason=f"{ref} {reason}".strip(), run=run, now=now)


def record_drills(journal: Journal, results: Iterable[DrillResult], run: RunRef) -> None:
    """Write one row for each result.

    Raises:
        TransientError: the journal is unreachable.
    """
    for one in results:
        journal.record_drill(
            DrillRecord(
                one.place,
                one.subject,
                one.snapshot,
                one.level,
                one.passed,
                one.meant_to_fail,
                one.said,
                one.at,
                one.duration_s,
                one.age_s,
                run,
            )
        )
