"""Makes a batch's journal row and its report page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.batch import CheckedBatch
from almanac.data.ingest.report import render_report, write_report
from almanac.data.quarantine.quarantine import safe_name
from almanac.journal.records import BatchRecord, BatchState, RunRef
from almanac.storage.listing import StoredFile
from almanac.validation.rules import compile_rules


@dataclass(frozen=True)
class BatchRecords:
    """Knows what all records of one ingest have in common."""

    model: Declared
    home: Home
    run: RunRef
    clock: Callable[[], datetime]

    def record(
        self,
        file: StoredFile,
        batch_id: str,
        state: BatchState,
        checked: CheckedBatch | None,
        warnings: tuple[str, ...] = (),
    ) -> BatchRecord:
        """The journal row of a batch; `checked` is None where its rows were never looked at."""
        row = BatchRecord(
            model=self.model.name,
            batch_id=batch_id,
            uri=file.uri,
            size_bytes=file.size_bytes,
            modified_at=file.modified_at,
            state=state,
            rows_read=0,
            rows_published=0,
            rows_quarantined=0,
            rows_dropped=0,
            recorded_at=self.clock(),
            run=self.run,
            warnings=warnings,
        )
        if checked is None:
            return row
        row = replace(row, rows_read=checked.rows_read, warnings=checked.warnings, broken_rules=checked.broken_rules)
        if state is BatchState.UNCHANGED:
            return replace(row, rows_dropped=checked.rows_dropped)
        return self._published(row, checked) if state is BatchState.PUBLISHED else row

    def report(self, record: BatchRecord, checked: CheckedBatch | None) -> BatchRecord:
        """Write the report page, and the suite's result beside it, where there is anything to report.

        Raises:
            TransientError: the store is unreachable.
        """
        if record.state is BatchState.PUBLISHED and not record.rows_quarantined:
            return record
        name = safe_name(record.uri.rsplit("/", 1)[-1])
        stem = f"{self.home.reports_of(self.model.name)}/{record.batch_id[:12]}_{name}"
        record = replace(record, report_uri=f"{stem}.html")
        page = render_report(record, checked, compile_rules(self.model.dataset))
        write_report(record, page, checked)
        return record

    def _published(self, row: BatchRecord, checked: CheckedBatch) -> BatchRecord:
        return replace(
            row,
            rows_published=checked.good_rows,
            rows_quarantined=checked.bad_rows,
            rows_dropped=checked.rows_dropped,
            window_start=checked.first,
            window_end=None if checked.last is None else checked.last + self.model.dataset.step,
        )
