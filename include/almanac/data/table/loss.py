"""A person accepts that a table has lost something: the journal follows the table, which is the truth."""

import logging
from collections.abc import Sequence
from datetime import datetime

from almanac.config.home import Home
from almanac.data.ingest.ingested_files import put_back
from almanac.data.table.delta_log import fill_holes, hash_commit, way_out
from almanac.data.table.delta_table import open_table
from almanac.data.table.table_guard import KINDS, mark_of, tables_of
from almanac.errors import AlmanacError, ConfigError, DataLossError
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, Decision, DecisionKind, RunRef
from almanac.journal.table_marks import TableMarks

log = logging.getLogger(__name__)
_MIN_REASON = 3  # characters
_MAX_LINES = 100  # lines that the journal keeps of a decision
_OF_SUBJECT = {"dataset": ("dataset",), "outputs": ("predictions", "quarantine")}


def accept(
    home: Home, name: str, journal: Journal, *, reason: str, run: RunRef, now: datetime, start_empty: bool = False
) -> list[str]:
    """Take a table as it is now for what is known of it, and say what that means.

    Batches that the journal knows as published and the dataset does not hold are forgotten, with their files: what
    still lies in the landing area, or has moved from it after its ingest, is taken again. Commits that are gone, empty
    or damaged get one in their place that changes nothing. Done again it changes nothing.

    Args:
        home: where the table is.
        name: `dataset/weather`; also `quarantine/`, `predictions/`, `shadow/`.
        journal: of the home.
        reason: why; kept with the decision.
        run: the run that accepts it.
        now: aware.
        start_empty: also that there is no table at all any more.

    Raises:
        ConfigError: no such table can be, no reason is given, or the table is gone and nobody said that it may be.
        DataLossError: the table cannot be opened; repair or restore it first.
        TransientError: the store or the journal is unreachable.
    """
    kind, _, model = name.partition("/")
    if kind not in KINDS or not model:
        raise ConfigError(
            f"got {name!r}, expected KIND/MODEL with a kind of {', '.join(KINDS)}, such as dataset/weather"
        )
    if len(reason.strip()) < _MIN_REASON:
        raise ConfigError("no reason given; say why the table is right as it is: it is recorded in the journal")
    uri, marks = tables_of(home, model)[name], TableMarks(journal)
    filled = fill_holes(uri)
    table, before = open_table(uri), marks.find(name)
    lost = _lost_batches(journal, model, table) if kind == "dataset" else []
    if table is None and (before is not None or lost) and not start_empty:
        raise ConfigError(
            f"{uri}: got no table at this location, expected one to accept. Is the disk mounted, the share reachable?"
            " To start an empty one: --start-empty"
        )
    after = None if table is None else mark_of(name, uri, table)
    known = "no version was recorded" if before is None else f"version {before.version} was known"
    lines = [f"{name}: {'there is no table' if after is None else f'version {after.version} is accepted'}; {known}"]
    lines += [f"commits {filled} were missing or damaged; they no longer matter"] if filled else []
    lines += [f"batch {one.batch_id[:12]} is not in it: {one.rows_published} rows of {one.uri}" for one in lost]
    journal.record_decision(
        Decision(
            model,
            DecisionKind.LOSS,
            True,
            (reason.strip(), *lines[:_MAX_LINES]),
            now,
            run,
            subject=name,
            figures={"batches": float(len(lost)), "rows": float(sum(one.rows_published for one in lost))},
        )
    )
    put_back(home, model, [one.uri for one in lost])
    journal.forget_batches(model, [one.batch_id for one in lost])
    marks.replace(name, after)
    return lines


def losses(home: Home, model: str, journal: Journal) -> dict[str, str]:
    """Which of a model's tables are behind what is known of them, and in what words; opens no table.

    Raises:
        TransientError: a store or the journal is unreachable.
    """
    marks, found = TableMarks(journal), {}
    for name, uri in tables_of(home, model).items():
        mark = marks.find(name)
        if mark is None:
            continue
        sha256 = hash_commit(uri, mark.version)
        if sha256 is None:
            found[name] = f"{uri}: version {mark.version} is missing, which {mark.source} knows. {way_out(name)}"
        elif mark.commit_sha256 and sha256 != mark.commit_sha256:
            found[name] = f"{uri}: version {mark.version} differs from what {mark.source} knows. {way_out(name)}"
    return found


def refuse_losses(home: Home, model: str, kinds: Sequence[str]) -> None:
    """Refuse what would take a table that is behind for a good one, such as a new snapshot.

    Where the journal cannot be asked this goes on: a snapshot without its word is better than none.

    Raises:
        DataLossError: one of the tables is behind what is known of it.
    """
    try:
        found = losses(home, model, Journal(home.journal_url))
    except AlmanacError as error:
        log.warning("%s: cannot check whether its tables are behind: %s", model, error)
        return
    behind = [words for name, words in found.items() if name.partition("/")[0] in kinds]
    if behind:
        raise DataLossError("; ".join(behind))


def accept_restored(
    home: Home, subject: str, journal: Journal, *, reason: str, run: RunRef, now: datetime
) -> list[str]:
    """Take the tables of a snapshot's subject as they are after it was put back; nothing for other subjects.

    Args:
        home: where they are.
        subject: of the snapshot: `dataset/weather` or `outputs/weather`.
        journal: of the home, as it is after the restore.
        reason: why it was restored.
        run: the run.
        now: aware.

    Raises:
        TransientError: a store or the journal is unreachable.
    """
    kind, _, model = subject.partition("/")
    lines: list[str] = []
    for table in _OF_SUBJECT.get(kind, ()):
        name = f"{table}/{model}"
        if open_table(tables_of(home, model)[name]) is not None:  # the snapshot need not hold every table
            lines += accept(home, name, journal, reason=f"restored: {reason}", run=run, now=now)
    return lines


def _lost_batches(journal: Journal, model: str, table: object) -> list[BatchRecord]:
    published = publications.published_after(journal, model, -1)
    return [one for one in published if table is None or table.transaction_version(one.batch_id) is None]  # type: ignore[attr-defined]
