"""Puts repaired rows through the same checks and publishes them, once.

The commit is the only truth here too: it names the quarantined rows that it readmits. Whatever comes after it (the rows
leave quarantine, the journal is told) is done again by the next call where a process died before it was done.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.reader import ROW
from almanac.data.ingest.batch import CheckedBatch, check_batch
from almanac.data.ingest.batch_records import BatchRecords
from almanac.data.ingest.owner import require_owner
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.quarantine.repair import Cells
from almanac.data.quarantine.repaired_rows import FORM, RepairedRecords, decimal_of, edit
from almanac.data.sources.csv_text import to_csv
from almanac.data.table.commit_record import committed_batches, to_metadata
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.dataset_snapshot import READMITS, DatasetSnapshot
from almanac.data.table.delta_table import ConcurrentCommitError
from almanac.data.table.unchanged import unchanged_batches
from almanac.errors import ConfigError, DataError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, Decision, DecisionKind, RunRef
from almanac.storage.listing import StoredFile
from almanac.storage.scratch import scratch
from almanac.validation.expectations import Suite
from almanac.validation.rules import compile_rules

_TRIES = 20


@dataclass(frozen=True)
class Readmission:
    """What one readmission did.

    Attributes:
        batch_id: the batch whose rows they were.
        published: rows that are in the dataset now.
        dropped: rows that the dataset held already; they left quarantine too.
        already: rows that an earlier readmission had published.
        refused: row number -> rules that it still breaks; these rows stay in quarantine as they were.
        dataset_version: None when nothing was published.
    """

    batch_id: str
    published: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    already: tuple[int, ...] = ()
    refused: tuple[tuple[int, tuple[str, ...]], ...] = ()
    dataset_version: int | None = None

    def refusals(self) -> list[str]:
        """A line for each row that was refused."""
        return [f"row {row} still breaks {', '.join(rules)}" for row, rules in self.refused]


@dataclass(frozen=True)
class _Candidate:
    """Rows after the checks, under the id of this readmission."""

    readmission_id: str
    content: bytes
    checked: CheckedBatch
    result: Readmission


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ignore(step: str) -> None:
    """Do nothing when a step is reached."""


@dataclass(frozen=True)
class Readmitter:
    """Readmits quarantined rows of a model.

    Attributes:
        run: the run that does it; recorded in the journal.
        reason: why; goes into the commit and the journal.
        clock: for records, and for the rule about future times.
        on_step: called with `committed`, `removed` and `journaled` each time a step is done.
    """

    model: Declared
    home: Home
    journal: Journal
    run: RunRef
    reason: str
    clock: Callable[[], datetime] = _utc_now
    on_step: Callable[[str], None] = _ignore

    def readmit(
        self, batch_id: str, *, rows: Sequence[int] | None = None, edits: Mapping[int, Cells] | None = None
    ) -> Readmission:
        """Check rows again, with what was edited, and publish the good ones in one commit.

        Called again with the same rows it changes nothing. Rows that still break a rule stay where they are.

        Args:
            batch_id: the batch that they came with, in full.
            rows: their numbers; none: all of the batch's quarantined rows.
            edits: row number -> column -> its new text, as it would stand in a file.

        Raises:
            ConfigError: no reason is given, or the declared columns are not those of the dataset, which may be another
                model's.
            DataError: there are no such rows or columns, or the batch itself was never published.
            TransientError: the store or the journal is unreachable; call it again.
        """
        if not self.reason.strip():
            raise ConfigError("no reason given; say why these rows are valid now: it is recorded with them")
        require_owner(self.model)
        for _ in range(_TRIES):
            try:
                return self._readmit(batch_id, rows, edits or {})
            except ConcurrentCommitError:
                continue  # check again, against what is there now
        raise TransientError(f"{self.model.name}: other writers committed {_TRIES} times meanwhile; try again")

    def _readmit(self, batch_id: str, rows: Sequence[int] | None, edits: Mapping[int, Cells]) -> Readmission:
        dataset = DatasetTable.of(self.home, self.model, self.journal)
        snapshot = dataset.grown(dataset.checked_snapshot(), self._unchanged)
        if not snapshot.holds(batch_id):
            raise DataError(
                f"{self.model.name}: batch {batch_id[:12]} is not published, so its rows cannot be readmitted. If its"
                f" ingest is running, wait for it; if the whole file was rejected, readmit the file (--whole)."
            )
        done = self._settle(dataset, batch_id)
        cells, already = self._chosen(batch_id, rows, edits, done)
        if not cells:
            return Readmission(batch_id, already=already)
        with scratch(self.home) as folder:
            candidate = self._check(batch_id, cells, already, snapshot, folder)
            if not candidate.result.published and not candidate.result.dropped:
                refusals = candidate.result.refusals()
                self._decide(candidate.readmission_id, batch_id, False, refusals, self.clock(), self.run)
                return candidate.result
            version = self._publish(candidate, dataset, snapshot)
        self.on_step("committed")
        self._settle(dataset, batch_id)
        return replace(candidate.result, dataset_version=version)

    def _chosen(
        self, batch_id: str, rows: Sequence[int] | None, edits: Mapping[int, Cells], done: set[int]
    ) -> tuple[dict[int, dict[str, str | None]], tuple[int, ...]]:
        """The cells of the rows to check, edited, and the numbers of those that were readmitted before."""
        import polars as pl

        of_batch = Quarantine(self.home, self.model, self.journal).read_rows().filter(pl.col("batch") == batch_id)
        kept = {row: json.loads(raw) for row, raw in zip(of_batch["row"], of_batch["raw"], strict=True)}
        wanted = sorted(set(kept if rows is None else rows))
        unknown = [row for row in {*wanted, *edits} if row not in kept and row not in done]
        if unknown:
            raise DataError(
                f"{self.model.name}: batch {batch_id[:12]} has no quarantined rows {sorted(unknown)}; it has"
                f" {sorted(kept)[:20]}. See ./almanac quarantine show."
            )
        unwanted = sorted(set(edits) - set(wanted) - done)
        if unwanted:
            raise DataError(
                f"{self.model.name}: rows {unwanted} are edited but not among the rows to readmit, {wanted}"
            )
        cells = {row: edit(self.model, row, kept[row], edits.get(row, {})) for row in wanted if row in kept}
        blank = [row for row, record in cells.items() if not any(record.values())]
        if blank:
            raise DataError(
                f"{self.model.name}: rows {blank} are empty after the edits; leave them in quarantine instead"
            )
        return cells, tuple(row for row in wanted if row not in kept)

    def _check(
        self,
        batch_id: str,
        cells: Mapping[int, Cells],
        already: tuple[int, ...],
        snapshot: DatasetSnapshot,
        folder: Path,
    ) -> _Candidate:
        """Check the rows as if they were a file.

        What is asked of a delivery is not asked of them: the share of bad rows, how they compare with other batches,
        and whether they come late.
        """
        content = to_csv(list(cells.values()), FORM)
        readmission_id = hashlib.sha256(json.dumps([batch_id, list(cells)]).encode() + content).hexdigest()
        name = f"rows of batch {batch_id[:12]}"
        path = folder / "rows.csv"
        path.write_bytes(content)
        dataset = self.model.dataset.model_copy(update={"skew": None, "late_after": None, "max_bad_share": 1.0})
        model = self.model.model_copy(update={"dataset": dataset})
        file = FileContent(path, name, readmission_id, len(content))
        in_file = dataset.model_copy(update={"columns": dict(dataset.delivered)})
        records = RepairedRecords(open_csv(file, FORM, in_file), tuple(cells), decimal_of(model))
        now = self.clock()
        suite = Suite(model.name, compile_rules(dataset), now=now)
        checked = check_batch(records, name, readmission_id, model, snapshot, suite, now=now, folder=folder)
        if checked is None:
            raise DataError(f"{name}: holds no rows")
        good = _rows(checked)
        refused = {row: tuple(rules) for row, rules in checked.bad().select("row", "rules").rows()}
        result = Readmission(
            batch_id=batch_id,
            published=good,
            dropped=tuple(row for row in cells if row not in refused and row not in set(good)),
            already=already,
            refused=tuple(refused.items()),
        )
        return _Candidate(readmission_id, content, checked, result)

    def _publish(self, candidate: _Candidate, dataset: DatasetTable, snapshot: DatasetSnapshot) -> int:
        at = self.clock()
        result = candidate.result
        uri = f"{self.home.quarantined_rows_of(self.model.name)}#{result.batch_id}"
        file = StoredFile(uri, result.batch_id, len(candidate.content), at)
        writer = BatchRecords(self.model, self.home, self.run, self.clock)
        checked = candidate.checked
        admitted = replace(checked, bad_files=(), bad_rows=0, broken_rules={}, warnings=())
        record = writer.record(file, candidate.readmission_id, BatchState.PUBLISHED, admitted)
        record = replace(record, warnings=(f"readmitted from batch {result.batch_id}: {self.reason}",))
        readmits = {
            "batch": result.batch_id,
            "rows": [*result.published, *result.dropped],
            "reasons": [self.reason, *result.refusals()],
        }
        metadata = {**to_metadata(record), READMITS: json.dumps(readmits, ensure_ascii=False)}
        return dataset.publish(
            checked.parts,
            candidate.readmission_id,
            after=snapshot,
            metadata=metadata,
            replaced=checked.replaced,
            unchanged=self._unchanged(snapshot),
        )

    def _unchanged(self, snapshot: DatasetSnapshot) -> tuple[str, ...]:
        return unchanged_batches(self.journal, self.model.name, snapshot)

    def _settle(self, dataset: DatasetTable, batch_id: str) -> set[int]:
        """Do what follows each commit that readmitted rows of this batch, where it was not done; return these rows."""
        rows: set[int] = set()
        commits = _readmissions(dataset, batch_id)
        for readmission in commits.values():
            rows.update(readmission["rows"])
        if not commits:
            return rows
        Quarantine(self.home, self.model, self.journal).remove_rows(batch_id, rows)
        self.on_step("removed")
        for record in committed_batches(dataset):
            settled = self.journal.batch(self.model.name, record.batch_id) if record.batch_id in commits else record
            if settled is None:
                reasons = commits[record.batch_id]["reasons"]
                self._decide(record.batch_id, batch_id, True, reasons, record.recorded_at, record.run)
                self.journal.record_batch(record)
                self.on_step("journaled")
        return rows

    def _decide(
        self, readmission_id: str, batch_id: str, accepted: bool, refusals: Sequence[str], at: datetime, run: RunRef
    ) -> None:
        reasons = tuple(refusals) if accepted else (self.reason, *refusals)
        subject = f"batch {batch_id} readmission {readmission_id}"
        known = self.journal.decisions(self.model.name, DecisionKind.READMISSION)
        if not any((one.subject, one.accepted, one.reasons) == (subject, accepted, reasons) for one in known):
            self.journal.record_decision(
                Decision(self.model.name, DecisionKind.READMISSION, accepted, reasons, at, run, subject=subject)
            )


def _readmissions(dataset: DatasetTable, batch_id: str) -> dict[str, dict[str, Any]]:
    """Readmission id -> what its commit says, for the commits that readmitted rows of this batch."""
    table = dataset.snapshot().table
    commits = [] if table is None else table.history()
    readmitted = {str(commit["batch"]): json.loads(commit[READMITS]) for commit in commits if READMITS in commit}
    return {name: readmits for name, readmits in readmitted.items() if readmits["batch"] == batch_id}


def _rows(checked: CheckedBatch) -> tuple[int, ...]:
    """The numbers of the good rows."""
    import polars as pl

    frames = [pl.read_parquet(part.path, columns=[ROW]) for part in checked.parts]
    return tuple(sorted(pl.concat(frames)[ROW])) if frames else ()
