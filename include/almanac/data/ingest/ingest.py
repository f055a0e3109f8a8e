"""Ingests the files of a model, one after the other; an error of one never stops the others."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.batch_records import BatchRecords
from almanac.data.ingest.file_ingest import FileIngest, Outcome
from almanac.data.ingest.owner import require_owner
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.maintenance import CROWDED, compact_crowded
from almanac.errors import DataError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, RunRef
from almanac.storage.listing import StoredFile
from almanac.validation.expectations import Suite
from almanac.validation.rules import compile_rules


@dataclass(frozen=True)
class RejectedBatch:
    """A batch of which nothing was published."""

    uri: str
    reasons: tuple[str, ...]
    report_uri: str


@dataclass(frozen=True)
class IngestSummary:
    """What one ingest did, made for `dataclasses.asdict` and JSON.

    A batch whose earlier try was cut off after its commit counts as published here, and one whose earlier try was cut
    off after its rejection as rejected, so that neither event nor alert is lost. `dataset_version` is that of the last
    batch, None when nothing was published; `dataset_rows` are counted at the end, and 0 where files were interrupted.
    The window spans the published batches, its end exclusive.
    """

    model: str
    dataset_uri: str
    published_batches: int
    published_rows: int
    quarantined_rows: int
    dropped_rows: int
    duplicates: int
    empty: int
    unchanged: int
    rejected: tuple[RejectedBatch, ...]
    waiting: tuple[str, ...]  # why files were left for a later run
    dataset_version: int | None
    dataset_rows: int
    window_start: str | None
    window_end: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON, for XCom and the asset's event."""
        return cast("dict[str, Any]", json.loads(json.dumps(asdict(self))))


class InterruptedIngestError(TransientError):
    """Some files could not be taken to their end and will be taken again. `summary` says what was done."""

    def __init__(self, message: str, summary: IngestSummary) -> None:
        super().__init__(message)
        self.summary = summary


class RejectedFilesError(DataError):
    """Files were rejected. The alert about them lasts until each of `rejected` is resolved, not until the next run."""

    def __init__(self, message: str, rejected: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.rejected = tuple(rejected)


def raise_rejections(model: Declared, rejected: Sequence[Mapping[str, Any]]) -> None:
    """Fail when batches were rejected, saying which, why, and where their reports are.

    Args:
        model: whose batches.
        rejected: the `rejected` of a summary as JSON.

    Raises:
        RejectedFilesError: there is at least one.
    """
    if not rejected:
        return
    message = "\n".join(
        f"{one['uri']}: {' '.join(one['reasons'])} Report: {one['report_uri'] or 'none'}" for one in rejected
    )
    words = f"{model.name}: {len(rejected)} batches rejected, nothing of them was published:\n{message}"
    raise RejectedFilesError(words, rejected)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def ignore_step(step: str, batch_id: str) -> None:
    """Do nothing when a step is reached."""


def ingest_batches(
    model: Declared,
    home: Home,
    journal: Journal,
    files: Sequence[StoredFile],
    run: RunRef,
    *,
    now: datetime | None = None,
    clock: Callable[[], datetime] = _utc_now,
    on_step: Callable[[str, str], None] = ignore_step,
    make_suite: Callable[..., Suite] = Suite,
) -> IngestSummary:
    """Publish, quarantine or reject each file, exactly once however often it is called and wherever it dies.

    Args:
        model: whose files.
        home: where everything is.
        journal: gets a row per batch and per arrival.
        files: what `find_batches` found.
        run: the run that does it.
        now: rows of a later event time are from the future; none: what the clock says at the start.
        clock: for the times of records.
        on_step: called with `claimed`, `validated`, `quarantined`, `committed` or `journaled`, and the batch id, each
            time a step is done. A BaseException that is no Exception stops the whole ingest there, as a kill would.
        make_suite: makes what confirms the masks; only a trial, which publishes nothing, takes another than `Suite`.

    Raises:
        InterruptedIngestError: the store or the journal was away for some files; the others were done.
        ConfigError: the declared columns are not those of the dataset, which may be another model's; the files stay
            where they are.
        IntegrityError: the dataset's log was damaged.
    """
    require_owner(model)
    at = clock() if now is None else now

    @cache
    def suite() -> Suite:
        return make_suite(model.name, compile_rules(model.dataset), now=at)

    writer = BatchRecords(model, home, run, clock)
    dataset = DatasetTable.of(home, model, journal)
    publication = FileIngest(
        model, home, journal, dataset, Quarantine(home, model, journal), writer, suite, at, on_step
    )
    outcomes: list[Outcome] = []
    passing: list[TransientError] = []
    lasting: list[Exception] = []
    for number, file in enumerate(files, start=1):
        try:
            outcomes.append(publication.take(file))
        except TransientError as error:
            passing.append(error)
        except Exception as error:  # noqa: BLE001 - raised below, once the other files are done
            lasting.append(error)
        if number % CROWDED == 0 or number == len(files):
            compact_crowded(model, home, dataset)
    if lasting:
        raise lasting[0]
    summary = _summary(model, home, outcomes)
    if passing:
        raise InterruptedIngestError("; ".join(map(str, passing)), summary) from passing[0]
    return replace(summary, dataset_rows=dataset.count() if dataset.exists() else 0)


def _summary(model: Declared, home: Home, outcomes: Sequence[Outcome]) -> IngestSummary:
    """What was done; the store is not asked, for it may be away now."""
    records = [one.record for one in outcomes if one.state is BatchState.PUBLISHED and one.record is not None]
    rejected = [one.record for one in outcomes if one.state is BatchState.REJECTED and one.record is not None]
    versions = [record.dataset_version for record in records if record.dataset_version is not None]
    starts = [record.window_start for record in records if record.window_start is not None]
    ends = [record.window_end for record in records if record.window_end is not None]
    return IngestSummary(
        model=model.name,
        dataset_uri=home.dataset_of(model.name),
        published_batches=len(records),
        published_rows=sum(record.rows_published for record in records),
        quarantined_rows=sum(record.rows_quarantined for record in records),
        dropped_rows=sum(record.rows_dropped for record in records),
        duplicates=sum(one.state is BatchState.DUPLICATE for one in outcomes),
        empty=sum(one.state is BatchState.EMPTY for one in outcomes),
        unchanged=sum(one.state is BatchState.UNCHANGED for one in outcomes),
        rejected=tuple(RejectedBatch(record.uri, record.reasons, record.report_uri) for record in rejected),
        waiting=tuple(f"{one.uri}: {one.note}" for one in outcomes if one.state is None),
        dataset_version=max(versions, default=None),
        dataset_rows=0,
        window_start=min(starts).isoformat() if starts else None,
        window_end=max(ends).isoformat() if ends else None,
    )
