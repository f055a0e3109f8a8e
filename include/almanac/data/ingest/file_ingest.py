"""Takes one file from the landing area to its end: published once, known already, empty, rejected, or left to wait."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.formats import open_records
from almanac.data.formats.reader import IncompleteFileError
from almanac.data.ingest.batch import CheckedBatch, check_batch
from almanac.data.ingest.batch_records import BatchRecords
from almanac.data.ingest.unreadable import unreadable_errors
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.commit_record import committed_batches, to_metadata
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.data.table.delta_table import ConcurrentCommitError
from almanac.data.table.unchanged import still_brings_nothing, unchanged_batches
from almanac.errors import DataError, IntegrityError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival, BatchRecord, BatchState
from almanac.storage.listing import StoredFile, read_listed, remove_unchanged
from almanac.storage.local_files import OtherFileError
from almanac.storage.scratch import scratch
from almanac.validation.expectations import Suite

Step = Literal["claimed", "validated", "quarantined", "committed", "journaled"]

_TRIES = 20  # of a commit that others got ahead of; each time somebody else made progress


@dataclass(frozen=True)
class Outcome:
    """The end of one file. `record` is None where the file waits; `note` then says for what."""

    uri: str
    state: BatchState | None
    record: BatchRecord | None = None
    note: str = ""


@dataclass(frozen=True)
class FileIngest:
    """Everything that one ingest of a model needs for each of its files.

    Attributes:
        dataset: where the good rows go.
        quarantine: where the bad ones go.
        writer: makes records and report pages.
        suite: gives the expectations; called when the first file needs them.
        now: rows after this time are from the future.
        on_step: called with the name of each step when it is done, and the batch id.
    """

    model: Declared
    home: Home
    journal: Journal
    dataset: DatasetTable
    quarantine: Quarantine
    writer: BatchRecords
    suite: Callable[[], Suite]
    now: datetime
    on_step: Callable[[str, str], None]

    def take(self, file: StoredFile) -> Outcome:
        """Take one file to its end. A process that is killed on the way and run again comes to the same end.

        Raises:
            ConfigError: the declared columns are not those of the dataset.
            IntegrityError: the dataset's log was damaged, or a table is behind what is known of it.
            TransientError: the store or the journal is unreachable; nothing is half done, the file is taken again
                later.
        """
        if file.size_bytes > self.model.source.max_size_mb * 2**20:
            return self._refuse_size(file)
        limit = self.model.source.max_unpacked_mb * 2**20
        with scratch(self.home) as folder:
            try:
                content = FileContent.copy(self._read(file), file.name, folder, limit)
            except OtherFileError as error:
                return Outcome(file.uri, None, note=str(error).removeprefix(f"{file.uri}: "))
            except FileNotFoundError:
                return self._gone(file)
            if content.size_bytes != file.size_bytes:
                return Outcome(file.uri, None, note="still growing")
            self._reached("claimed", content.batch_id)
            return self._publish(file, content, folder)

    def _read(self, file: StoredFile) -> Iterator[bytes]:
        return read_listed(file, self.home.landing_of(self.model.name))

    def _publish(self, file: StoredFile, content: FileContent, folder: Path) -> Outcome:
        for _ in range(_TRIES):
            try:
                snapshot = self.dataset.grown(self.dataset.checked_snapshot(), self._unchanged)
            except ConcurrentCommitError:
                continue
            known = self._known(snapshot, file, content.batch_id)
            if known is not None:
                return self._settle_known(file, known)
            with TemporaryDirectory(dir=folder) as temporary:
                try:
                    with unreadable_errors(file.name, lambda: self.dataset.snapshot().holds(content.batch_id)):
                        return self._check_and_commit(file, content, snapshot, Path(temporary))
                except IncompleteFileError as error:
                    if self._may_grow(file):
                        return Outcome(file.uri, None, note=str(error))
                    return self._reject(file, content, (str(error),), None)
                except DataError as error:
                    return self._reject(file, content, (str(error),), None)
                except ConcurrentCommitError:
                    continue  # what was checked may no longer hold: check again, against what is there now
        raise TransientError(f"{file.uri}: other writers committed {_TRIES} times meanwhile; it is ingested later")

    def _check_and_commit(
        self, file: StoredFile, content: FileContent, snapshot: DatasetSnapshot, temporary: Path
    ) -> Outcome:
        batch_id = content.batch_id
        records = open_records(content, self.model.source.format, self.model.dataset)
        if records.may_be_cut and self._may_grow(file):
            return Outcome(
                file.uri, None, note=f"{file.name}: its last record has no line end, so it may be incomplete"
            )
        checked = check_batch(
            records, file.name, batch_id, self.model, snapshot, self.suite(), now=self.now, folder=temporary
        )
        if checked is None:
            return self._finish(file, self.writer.record(file, batch_id, BatchState.EMPTY, None, records.warnings))
        self._reached("validated", batch_id)
        if checked.reasons:
            return self._reject(file, content, checked.reasons, checked)
        if not checked.good_rows and not checked.bad_rows:
            return self._leave_unchanged(file, batch_id, checked, snapshot)
        return self._commit(file, batch_id, checked, snapshot)

    def _leave_unchanged(
        self, file: StoredFile, batch_id: str, checked: CheckedBatch, snapshot: DatasetSnapshot
    ) -> Outcome:
        """Note that the dataset, as it is, holds every row already; see `almanac.data.table.unchanged`.

        Raises:
            ConcurrentCommitError: another writer committed meanwhile, perhaps without naming this batch.
        """
        record = replace(self.writer.record(file, batch_id, BatchState.UNCHANGED, checked), base=snapshot.commit_id())
        self.quarantine.write_rows(  # none, in place of those of a try that was cut off
            (), batch_id, uri=file.uri, checked_at=snapshot.version, quarantined_at=record.recorded_at
        )
        self.journal.record_batch(record)
        if self.dataset.snapshot().version != snapshot.version:
            raise ConcurrentCommitError(f"{self.dataset.uri}: another writer committed meanwhile; try again")
        return self._finish(file, record)

    def _unchanged(self, snapshot: DatasetSnapshot) -> tuple[str, ...]:
        return unchanged_batches(self.journal, self.model.name, snapshot)

    def _may_grow(self, file: StoredFile) -> bool:
        return abs(self.now - file.modified_at) <= self.model.source.patience

    def _commit(self, file: StoredFile, batch_id: str, checked: CheckedBatch, snapshot: DatasetSnapshot) -> Outcome:
        record = self.writer.record(file, batch_id, BatchState.PUBLISHED, checked)
        self.quarantine.write_rows(
            checked.bad_files, batch_id, uri=file.uri, checked_at=snapshot.version, quarantined_at=record.recorded_at
        )
        record = self.writer.report(record, checked)
        self._reached("quarantined", batch_id)
        version = self.dataset.publish(
            checked.parts,
            batch_id,
            after=snapshot,
            metadata=to_metadata(record),
            replaced=checked.replaced,
            unchanged=self._unchanged(snapshot),
        )
        self._reached("committed", batch_id)
        return self._finish(file, replace(record, dataset_version=version))

    def _known(self, snapshot: DatasetSnapshot, file: StoredFile, batch_id: str) -> BatchRecord | None:
        """What became of these bytes before. Of publications the commit is the only truth, not the journal.

        A rejected batch is not known: it is checked again, for the model's limits may have changed.
        """
        row = self.journal.batch(self.model.name, batch_id)
        if not snapshot.holds(batch_id):
            known = row is not None and (row.state is BatchState.EMPTY or still_brings_nothing(row, snapshot))
            return row if known else None
        if row is not None and row.state in (BatchState.PUBLISHED, BatchState.UNCHANGED):
            return row
        if snapshot.brought_nothing(batch_id):
            record: BatchRecord | None = self.writer.record(file, batch_id, BatchState.UNCHANGED, None)
        else:
            record = next((record for record in committed_batches(self.dataset) if record.batch_id == batch_id), None)
        if record is None:
            raise IntegrityError(
                f"{self.dataset.uri}: batch {batch_id} is in the log as a transaction but its commit is missing; got no"
                f" record, expected one. Restore the dataset's log."
            )
        self.journal.record_batch(record)
        return record

    def _gone(self, file: StoredFile) -> Outcome:
        """The file left the landing area: by an earlier try of this run that rejected it, or by somebody's hand."""
        for record in self.journal.batches(self.model.name, uri=file.uri):
            same = (record.uri, record.size_bytes, record.modified_at) == (file.uri, file.size_bytes, file.modified_at)
            if same and record.state is BatchState.REJECTED and record.run.run_id == self.writer.run.run_id:
                return Outcome(file.uri, record.state, record)
        return Outcome(file.uri, None, note="removed before it was read")

    def _settle_known(self, file: StoredFile, record: BatchRecord) -> Outcome:
        """Record the arrival. An earlier try may have been cut off before this, or before anybody was told."""
        of_other_run = record.run.run_id != self.writer.run.run_id
        interrupted = of_other_run and bool(self.journal.arrivals(self.model.name, [file.uri]))
        cut_off = record.uri == file.uri and not interrupted
        state = record.state if cut_off else BatchState.DUPLICATE
        self.journal.record_arrival(self._arrival(file, record.batch_id, state))
        self._reached("journaled", record.batch_id)
        return Outcome(file.uri, state, record)

    def _finish(self, file: StoredFile, record: BatchRecord) -> Outcome:
        self.journal.record_batch(record, self._arrival(file, record.batch_id, record.state))
        self._reached("journaled", record.batch_id)
        return Outcome(file.uri, record.state, record)

    def _refuse_size(self, file: StoredFile) -> Outcome:
        """Reject a file that is too large to be copied; it stays where it landed, and is not looked at again."""
        limit = self.model.source.max_size_mb
        reason = (
            f"{file.name}: too large; got {file.size_bytes} bytes, expected at most source.max_size_mb ({limit} MB)."
            f" Deliver it in parts, or raise the limit. It is still at {file.uri}."
        )
        digest = hashlib.sha256()
        try:
            for block in self._read(file):
                digest.update(block)
        except FileNotFoundError as error:
            return Outcome(file.uri, None, note=str(error))
        batch_id = digest.hexdigest()
        record = replace(self.writer.record(file, batch_id, BatchState.REJECTED, None), reasons=(reason,))
        return self._finish(file, self.writer.report(record, None))

    def _reject(
        self,
        file: StoredFile,
        content: FileContent,
        reasons: tuple[str, ...],
        checked: CheckedBatch | None,
    ) -> Outcome:
        """Keep the bytes and the reasons first; only then does the file leave the landing area.

        No arrival is recorded: what lands at this place again is new, whatever its size and time.
        """
        batch_id = content.batch_id
        quarantine = self.quarantine
        quarantine.discard_rows(batch_id)  # of a try that was cut off, under other limits
        quarantine.keep_file(content.path, batch_id, name=file.name)
        self._reached("quarantined", batch_id)
        record = replace(self.writer.record(file, batch_id, BatchState.REJECTED, checked), reasons=reasons)
        record = self.writer.report(record, checked)
        self.journal.record_batch(record)
        self._reached("journaled", batch_id)
        remove_unchanged(file, self.home.landing_of(self.model.name))
        return Outcome(file.uri, BatchState.REJECTED, record)

    def _arrival(self, file: StoredFile, batch_id: str, state: BatchState) -> Arrival:
        return Arrival(self.model.name, file.uri, file.size_bytes, file.modified_at, batch_id, state, file.etag)

    def _reached(self, step: Step, batch_id: str) -> None:
        self.on_step(step, batch_id)
