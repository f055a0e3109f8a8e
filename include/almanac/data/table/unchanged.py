"""Batches that brought nothing new: no commit of their own, but the next commit of the table names them.

That a batch brought nothing is true of the dataset as one commit has left it. Until another one changes it, the same
bytes bring nothing again, in any run. That other commit carries the ids of these batches as application transactions:
from then on the log knows them as it knows every other batch, and no correction is undone by a file that comes twice.
"""

from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_parts import name_batches
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState


def unchanged_batches(journal: Journal, model: str, snapshot: DatasetSnapshot) -> tuple[str, ...]:
    """The ids of the batches that brought nothing to the dataset as it is, and that its log does not know yet.

    Raises:
        TransientError: the journal is unreachable.
    """
    if snapshot.table is None:
        return ()
    return tuple(
        one for one in publications.unchanged_since(journal, model, snapshot.commit_id()) if not snapshot.holds(one)
    )


def name_unchanged(dataset: DatasetTable, journal: Journal, model: str) -> int:
    """Let the log know these batches by one commit that changes no row, and return how many they are.

    Raises:
        ConcurrentCommitError: another writer commits at this moment.
        TransientError: a store is unreachable.
    """
    snapshot = dataset.snapshot()
    found = unchanged_batches(journal, model, snapshot)
    if found:
        name_batches(dataset.uri, snapshot.table, found)
    return len(found)


def still_brings_nothing(record: BatchRecord, snapshot: DatasetSnapshot) -> bool:
    """Whether nothing was committed since the batch was found to bring nothing."""
    return record.state is BatchState.UNCHANGED and bool(record.base) and record.base == snapshot.commit_id()
