"""Readmits a rejected file: after the declaration was corrected, it is ingested like any landed file."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.ingest.ingest import IngestSummary, ingest_batches
from almanac.data.quarantine.quarantine import KeptFile, Quarantine
from almanac.data.table.dataset import DatasetTable
from almanac.errors import ConfigError, DataError, IntegrityError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, Decision, DecisionKind, RunRef
from almanac.storage.files import exists, hash_file, local_path, read_bytes, remove, write_bytes
from almanac.storage.listing import StoredFile, list_files
from almanac.storage.local_files import is_below
from almanac.storage.objects import is_remote


@dataclass(frozen=True)
class ReadmittedFile:
    """What became of it: accepted, or the reasons why not. `summary` is that of its ingest."""

    accepted: bool
    reasons: tuple[str, ...]
    summary: IngestSummary


def readmit_file(
    model: Declared,
    home: Home,
    journal: Journal,
    batch: str,
    *,
    run: RunRef,
    reason: str,
    clock: Callable[[], datetime],
) -> ReadmittedFile:
    """Land a kept file again and ingest it now. Once its batch is in the dataset, it leaves quarantine.

    Called again it changes nothing. A file that is rejected again stays in quarantine, with its new reasons.

    Args:
        model: whose file.
        home: where everything is.
        journal: gets a decision: who, when, why.
        batch: the start of the batch id, at least as long as what stands in the kept file's name.
        run: the run that does it.
        reason: why.
        clock: for records, and for the rule about future times.

    Raises:
        ConfigError: no reason is given, or the declared columns are not those of the dataset.
        DataError: no rejected file of this batch is kept.
        IntegrityError: the kept bytes are not those that were rejected.
        TransientError: the store or the journal is unreachable; call it again.
    """
    if not reason.strip():
        raise ConfigError("no reason given; say why this file is valid now: it is recorded with it")
    kept = _kept(home, model, batch)
    content = read_bytes(kept.uri)
    batch_id = hashlib.sha256(content).hexdigest()
    if not batch_id.startswith(batch):
        raise IntegrityError(
            f"{kept.uri}: not the bytes that were rejected; got SHA-256 {batch_id}, expected {batch}. Restore the"
            " file from a backup, or ask its sender for it."
        )
    landed = _land(model, home, journal, kept, batch_id, content)
    summary = ingest_batches(model, home, journal, [landed], run, clock=clock)
    record = journal.batch(model.name, batch_id)
    brought_nothing = record is not None and record.state in (BatchState.EMPTY, BatchState.UNCHANGED)
    accepted = brought_nothing or DatasetTable.of(home, model).snapshot().holds(batch_id)
    if accepted:
        remove(kept.uri)
    refusals = [refusals for one in summary.rejected for refusals in one.reasons]
    reasons = (reason, *refusals, *summary.waiting)
    journal.record_decision(
        Decision(model.name, DecisionKind.READMISSION, accepted, reasons, clock(), run, subject=f"batch {batch_id}")
    )
    return ReadmittedFile(accepted, reasons, summary)


def _kept(home: Home, model: Declared, batch: str) -> KeptFile:
    files = Quarantine(home, model).kept_files()
    found = [file for file in files if batch.startswith(file.batch)]
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{model.name}: no rejected file of batch {batch} is kept; there are {sorted({file.batch for file in files})}."
        f" See ./almanac quarantine list."
    )


def _land(model: Declared, home: Home, journal: Journal, kept: KeptFile, batch_id: str, content: bytes) -> StoredFile:
    """Put the file back where it came from; beside it, if something else lies there now."""
    root = home.landing_of(model.name)
    record = journal.batch(model.name, batch_id)
    came_from = record.uri if record is not None and record.uri.startswith(f"{root}/") else f"{root}/{kept.name}"
    for uri in (came_from, f"{came_from.rsplit('/', 1)[0]}/{kept.batch}_{kept.name}"):
        if not is_remote(uri) and not is_below(local_path(uri), local_path(root)):
            continue  # a folder became a link: what is written there would land elsewhere
        if exists(uri) and hash_file(uri) != batch_id:
            continue
        write_bytes(uri, content)
        files = [file for file in list_files(root, model.source.patterns) if file.uri == uri]
        if files:
            return files[0]
        remove(uri)
    raise DataError(
        f"{kept.uri}: cannot land again; {came_from} is taken by another file, or its name is not one of"
        f" source.patterns {list(model.source.patterns)}. Move that file, or correct the patterns."
    )
