"""Refuses to write to a table that is behind, or another one than, what is known of it.

The commit is the truth, and the mark in the journal only says that there was one. A crash between the two leaves the
mark behind, which is harmless; a table behind its mark has lost commits, and whatever is written then hides that.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from almanac.config.home import Home
from almanac.data.table.delta_log import check_tail, hash_commit, way_out
from almanac.data.table.delta_table import open_table
from almanac.errors import AlmanacError, DataLossError, TransientError
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.table_marks import TableMark, TableMarks

log = logging.getLogger(__name__)
KINDS = ("dataset", "quarantine", "predictions", "shadow")


def tables_of(home: Home, model: str) -> Mapping[str, str]:
    """The places of a model's Delta tables by their names, as marks, commands and messages have them."""
    return {
        f"dataset/{model}": home.dataset_of(model),
        f"quarantine/{model}": home.quarantined_rows_of(model),
        f"predictions/{model}": home.predictions_of(model),
        f"shadow/{model}": home.shadow_predictions_of(model),
    }


class TableGuard:
    """Compares one table with its mark, and moves the mark on.

    Args:
        name: of the table.
        uri: its place.
        journal_url: where marks are kept.
        journal: the same, where it is open already.

    Raises:
        TransientError: on every method, when the journal or the store is unreachable.
    """

    def __init__(self, name: str, uri: str, journal_url: str, journal: Journal | None = None) -> None:
        self.name, self.uri = name, uri
        self._journal_url = journal_url
        self._journal = journal
        self._table_id = ""

    @classmethod
    def of(cls, home: Home, kind: str, model: str, journal: Journal | None = None) -> "TableGuard":
        """The guard of a model's table of one of `KINDS`."""
        name = f"{kind}/{model}"
        return cls(name, tables_of(home, model)[name], home.journal_url, journal)

    def check(self, table: Any) -> None:
        """Compare a table, as it was opened at its newest version, with what is known; costs the same at any age.

        Args:
            table: None: there is nothing at its place.

        Raises:
            DataLossError: commits are missing, or it is another table.
            TransientError: there is no table and there was one: a disk that is not mounted looks like that.
        """
        mark = self._marks.find(self.name)
        known = mark or self._read_mark(table)
        if known is not None and (table is None or table.version() < known.version):
            table = open_table(self.uri)  # somebody may have committed, and written the mark, since it was opened
        if table is None:
            if known is not None:
                raise TransientError(
                    f"{self.uri}: got no table at this location, expected the one at version {known.version} that"
                    f" {known.source} knows. Is the disk mounted, the share reachable? If so, restore it; to start an"
                    " empty one on purpose, see docs/operations.md"
                )
            return
        self._table_id = str(table.metadata().id)
        check_tail(self.uri, int(table.version()))
        if known is not None:
            self._compare(table, known)
        if mark is None or table.version() > mark.version or not mark.commit_sha256:
            self._marks.advance(mark_of(self.name, self.uri, table))

    def advance(self, version: int) -> None:
        """Note that a commit was made. The commit stays the truth: where this fails, the mark is behind, no more."""
        try:
            self._table_id = self._table_id or str(open_table(self.uri).metadata().id)
            mark = _mark(self.name, self._table_id, version, hash_commit(self.uri, version) or "")
            self._marks.advance(mark)
        except AlmanacError as error:
            log.warning("%s: version %s is committed, but its mark could not be written: %s", self.name, version, error)

    @cached_property
    def _marks(self) -> TableMarks:
        return TableMarks(self._journal or Journal(self._journal_url))

    def _compare(self, table: Any, known: TableMark) -> None:
        version = int(table.version())
        if version < known.version:
            raise DataLossError(
                f"{self.uri}: is behind: its newest version is {version}, expected at least {known.version}, which"
                f" {known.source} knows since {known.marked_at:%Y-%m-%d %H:%M} UTC. {known.version - version} commits"
                f" are missing; nothing is written on top. {way_out(self.name)}"
            )
        if known.table_id and self._table_id != known.table_id:
            raise DataLossError(
                f"{self.uri}: is another table: got id {self._table_id}, expected {known.table_id}, which"
                f" {known.source} knows. {way_out(self.name)}"
            )
        found = hash_commit(self.uri, known.version) if known.commit_sha256 else ""
        if found != known.commit_sha256:
            got = "no file" if found is None else f"SHA-256 {found[:12]}"
            raise DataLossError(
                f"{self.uri}: version {known.version} is not the commit that was made there: got {got}, expected"
                f" {known.commit_sha256[:12]}, which {known.source} knows. It was damaged, or another history is"
                f" here. {way_out(self.name)}"
            )

    def _read_mark(self, table: Any) -> TableMark | None:
        """What the journal's batches say of a table without a mark: of a home that is older than marks.

        Raises:
            DataLossError: the newest published batch is not in the table.
        """
        kind, _, model = self.name.partition("/")
        journal = self._marks.journal
        if kind == "quarantine" and table is None and publications.has_quarantined(journal, model):
            return _mark(self.name, "", 0, "", "the journal's list of batches")
        newest = publications.newest_version(journal, model) if kind == "dataset" else None
        if newest is None:
            return None
        (batch, *_) = publications.published_after(journal, model, newest - 1)
        held = table is None or table.version() < newest or table.transaction_version(batch.batch_id) is not None
        if not held:
            raise DataLossError(
                f"{self.uri}: does not hold batch {batch.batch_id[:12]}, which the journal knows as version {newest}."
                f" Another history is here. {way_out(self.name)}"
            )
        return replace(_mark(self.name, "", newest, "", "the journal's list of batches"), marked_at=batch.recorded_at)


def mark_of(name: str, uri: str, table: Any) -> TableMark:
    """The mark of a table as it is."""
    version = int(table.version())
    return _mark(name, str(table.metadata().id), version, hash_commit(uri, version) or "")


def _mark(name: str, table_id: str, version: int, commit_sha256: str, source: str = "the journal") -> TableMark:
    return TableMark(name, table_id, version, commit_sha256, source, datetime.now(UTC))
