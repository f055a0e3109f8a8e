"""Makes the journal's rows again from what other stores know: Delta commits, MLflow's tags, the backup repositories.

Nothing that is in the journal is changed; rows that it lacks are added. What people decided (questions, approvals), why
trainings were refused, alerts and the marks of sources are nowhere else and stay lost.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from almanac.backup.drill.drills import results
from almanac.backup.snapshot.journal_rows import record_drills
from almanac.backup.snapshot.missing import look
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.commit_record import committed_batches
from almanac.data.table.dataset import DatasetTable
from almanac.errors import AlmanacError
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, RunRef
from almanac.registry.records import CHAMPION, ModelVersion, Tag


@dataclass(frozen=True)
class RebuiltRows:
    """What became of one kind of row.

    Attributes:
        subject: what it is about, for people.
        added: rows that the journal lacked.
        known: rows that it had.
        problem: why nothing is known of it; empty when it was read.
    """

    subject: str
    added: int = 0
    known: int = 0
    problem: str = ""


class Versions(Protocol):
    """What is asked of the registry."""

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of a model."""


def rebuild_journal(
    home: Home,
    models: Sequence[Model],
    registry: Versions,
    repositories: Sequence[BackupRepository],
    journal: Journal,
    run: RunRef,
) -> Iterator[RebuiltRows]:
    """Add what the journal lacks, one subject after the other; a store that is away does not stop the others.

    Args:
        home: its datasets are read.
        models: all that are declared.
        registry: its versions' tags are read.
        repositories: backup repositories.
        journal: gets the rows.
        run: who asks; snapshots and drills get it, batches and promotions keep their own.

    Yields:
        what was added.
    """
    parts: list[tuple[str, Callable[[], tuple[int, int]]]] = [
        *((f"batches of {one.name}", partial(_batches, home, one, journal)) for one in models),
        *((f"promotions of {one.name}", partial(_promotions, registry, one.name, journal)) for one in models),
        *((f"snapshots of {one.uri}", partial(_snapshots, one, journal, run)) for one in repositories),
        *((f"drills of {one.uri}", partial(_drills, one, journal, run)) for one in repositories),
    ]
    for subject, rebuild in parts:
        try:
            added, known = rebuild()
        except AlmanacError as error:
            yield RebuiltRows(subject, problem=str(error))
        else:
            yield RebuiltRows(subject, added, known)


def _batches(home: Home, model: Model, journal: Journal) -> tuple[int, int]:
    records = committed_batches(DatasetTable.of(home, model))
    lacking = [one for one in records if journal.batch(model.name, one.batch_id) is None]
    for record in lacking:
        journal.record_batch(record)
    return len(lacking), len(records) - len(lacking)


def _promotions(registry: Versions, model: str, journal: Journal) -> tuple[int, int]:
    """The champion's moves. Of a version that was promoted more than once, MLflow knows the last time only."""
    known = {(one.to_version, one.moved_at) for one in journal.alias_moves(model) if one.alias == CHAMPION}
    moves = _moves_in_tags(model, registry.versions(model))
    lacking = [one for one in moves if (one.to_version, one.moved_at) not in known]
    for move in lacking:
        journal.record_alias_move(move)
    return len(lacking), len(moves) - len(lacking)


def _moves_in_tags(model: str, versions: Sequence[ModelVersion]) -> list[AliasMove]:
    promoted = [
        (datetime.fromisoformat(one.tags[Tag.PROMOTED_AT]), one) for one in versions if Tag.PROMOTED_AT in one.tags
    ]
    moves: list[AliasMove] = []
    for at, version in sorted(promoted, key=lambda pair: (pair[0], int(pair[1].version))):
        tags = version.tags
        run = RunRef("MLflow's tags", version.mlflow_run_id, started_by=tags.get(Tag.PROMOTED_BY, ""))
        before = moves[-1].to_version if moves else ""
        reason = tags.get(Tag.PROMOTION_REASON, "")
        moves.append(AliasMove(model, CHAMPION, before, version.version, reason, at, run))
    return moves


def _snapshots(repository: BackupRepository, journal: Journal, run: RunRef) -> tuple[int, int]:
    def count() -> int:
        return sum(one.place == repository.uri for one in journal.snapshots())

    before = count()
    look(repository, journal, run)
    return count() - before, before


def _drills(repository: BackupRepository, journal: Journal, run: RunRef) -> tuple[int, int]:
    known = {(one.subject, one.name, one.drilled_at) for one in journal.drills()}
    found = results(repository)
    lacking = [one for one in found if (one.subject, one.snapshot, one.at) not in known]
    record_drills(journal, lacking, run)
    return len(lacking), len(found) - len(lacking)
