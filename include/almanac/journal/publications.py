"""What the journal knows of the publications of a model: the newest, the first, those after a version."""

from datetime import datetime

from sqlalchemy import func, select

from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState
from almanac.journal.rows import record_of, records_of


def is_rejected(journal: Journal, model: str, uri: str) -> bool:
    """Whether the last file at a URI was rejected, and has neither landed again nor been readmitted since.

    Raises:
        TransientError: the journal is unreachable.
    """
    batch, arrival = tables.batches.c, tables.arrivals.c
    newest = select(batch.state, batch.modified_at).where(batch.model == model, batch.uri == uri)
    known = select(arrival.state, arrival.modified_at).where(arrival.model == model, arrival.uri == uri)
    with journal.transaction() as connection:
        last = connection.execute(newest.order_by(batch.recorded_at.desc()).limit(1)).first()
        seen = connection.execute(known).first()
    if last is None or last.state != BatchState.REJECTED:
        return False
    # Bytes that were ingested before make no new batch; only their arrival is recorded.
    return seen is None or seen.state == BatchState.REJECTED or seen.modified_at <= last.modified_at


def newest_version(journal: Journal, model: str) -> int | None:
    """The newest dataset version that a batch was published as.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(func.max(columns.dataset_version)).where(columns.model == model)
    with journal.transaction() as connection:
        version = connection.execute(query.where(columns.state == BatchState.PUBLISHED)).scalar_one()
    return None if version is None else int(version)


def newest_published(journal: Journal, model: str, *, until: datetime | None = None) -> BatchRecord | None:
    """The batch that was published as the newest dataset version; of those that were until a time, if it is given.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(tables.batches).where(columns.model == model, columns.state == BatchState.PUBLISHED)
    query = query if until is None else query.where(columns.recorded_at <= until)
    query = query.order_by(columns.dataset_version.desc(), columns.recorded_at.desc()).limit(1)
    with journal.transaction() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else record_of(BatchRecord, row)


def first_published(journal: Journal, model: str) -> datetime | None:
    """When the first known batch was published; None: none was.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(columns.recorded_at).where(columns.model == model, columns.state == BatchState.PUBLISHED)
    with journal.transaction() as connection:
        found: datetime | None = connection.execute(query.order_by(columns.recorded_at).limit(1)).scalar()
        return found


def published_after(journal: Journal, model: str, version: int) -> list[BatchRecord]:
    """All batches that were published after a dataset version, the oldest first.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(tables.batches).where(columns.model == model, columns.state == BatchState.PUBLISHED)
    query = query.where(columns.dataset_version > version).order_by(columns.dataset_version)
    with journal.transaction() as connection:
        return records_of(BatchRecord, connection.execute(query).mappings())


def has_quarantined(journal: Journal, model: str) -> bool:
    """Whether a published batch had quarantined rows.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(columns.batch_id).where(columns.model == model, columns.state == BatchState.PUBLISHED)
    with journal.transaction() as connection:
        return connection.execute(query.where(columns.rows_quarantined > 0).limit(1)).first() is not None


def unchanged_since(journal: Journal, model: str, base: str) -> list[str]:
    """The ids of the batches that added nothing to the dataset as of this commit.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns = tables.batches.c
    query = select(columns.batch_id).where(columns.model == model, columns.base == base)
    query = query.where(columns.state == BatchState.UNCHANGED).order_by(columns.batch_id)
    with journal.transaction() as connection:
        return list(connection.execute(query).scalars())
