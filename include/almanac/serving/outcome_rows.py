"""Outcomes as rows of the dataset: what a caller asked and what became of it land as a file, like any other data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import YES_NO
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.formats import CsvFormat
from almanac.data.sources.csv_text import to_csv
from almanac.data.sources.fetch import FetchSummary, bookmark_name, fetch
from almanac.data.sources.port import Fetched
from almanac.data.table.delta_table import open_table
from almanac.journal.exclusive import exclusive
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.rollout.evidence import MIRROR_ARM

if TYPE_CHECKING:
    import polars as pl

_LANDED_AS = "fetched_20260101T000000Z_000001_0123456789abcdef.csv"  # what `fetch` calls its files


def why_not_landed(model: Model) -> str:
    """Why outcomes do not land as rows of the dataset; empty: they do."""
    form, delivered = model.source.format, model.dataset.delivered
    if model.label.horizon:
        return "the label of a row is the value of a later one, which arrives with the data (label.horizon)"
    if model.serve is None or not model.serve.log_inputs:
        return "the rows that were asked are not kept (serve.log_inputs)"
    if not isinstance(form, CsvFormat) or not form.is_plain:
        return "files of the dataset are no plain CSV (source.format)"
    if any(column.from_ or column.decimal or column.thousands for column in delivered.values()):
        return "columns have other names or signs in files (dataset.columns)"
    if not any(fnmatchcase(_LANDED_AS, pattern) for pattern in model.source.patterns):
        return f"source.patterns take no file such as {_LANDED_AS}"
    if model.label.kind is YES_NO and len(_values_of(model)) != 2:
        return f"what 0 means in the column {model.label.column} is not declared: its `values` must be two"
    return ""


def land_outcomes(home: Home, model: Model, journal: Journal, *, run: RunRef, now: datetime) -> FetchSummary:
    """Let outcomes land whose answers are in the log, with the rows that were asked; each once, and late ones, too.

    Killed at any point, the next call gives the same rows again, and those that the dataset has drop out there.

    Args:
        home: where tables and landing area are.
        model: one for which `why_not_landed` is empty.
        journal: remembers how far outcomes were read.
        run: who lets them land.
        now: aware.

    Raises:
        TransientError: another process does so now, or a store or the journal is away.
    """
    with exclusive(home.journal_url, f"outcomes-{model.name}"):
        return fetch(model, _Outcomes(home, model), home, journal, run, clock=lambda: now)


@dataclass(frozen=True)
class _Outcomes:
    """A source like others: its bookmark is the versions of both tables."""

    home: Home
    model: Model

    @property
    def name(self) -> str:
        return bookmark_name("outcomes", self.model.label.column, self.model.label.equals)

    def fetch(self, bookmark: str | None) -> Iterator[Fetched]:
        outcomes, answers = (open_table(place) for place in self._places)
        if outcomes is None or answers is None:
            return
        now = f"{outcomes.version()}:{answers.version()}"
        rows = self._matched(*now.split(":"))
        if bookmark is not None:
            # an answer may be shipped after its outcome: what was matched before is gone, not what was received before
            rows = rows.join(self._matched(*bookmark.split(":")).select("id"), on="id", how="anti")
        form, records = self.model.source.format, self._records(rows.sort("received_at", "id").collect())
        if records and isinstance(form, CsvFormat):
            yield Fetched(to_csv(records, form), len(records), now)

    @property
    def _places(self) -> tuple[str, str]:
        return self.home.outcomes_of(self.model.name), self.home.answers_of(self.model.name)

    def _matched(self, outcomes_version: str, answers_version: str) -> "pl.LazyFrame":
        """The first outcome of each answer that is in the log with its row, as of these versions of the tables."""
        import polars as pl

        outcomes, answers = self._places
        first = pl.scan_delta(outcomes, version=int(outcomes_version)).sort("received_at").unique("id", keep="first")
        asked = pl.scan_delta(answers, version=int(answers_version)).filter(
            pl.col("inputs").is_not_null(), pl.col("arm") != MIRROR_ARM
        )
        return first.join(asked.select("id", "inputs"), on="id", how="inner")

    def _records(self, rows: "pl.DataFrame") -> list[dict[str, Any]]:
        """Rows of the dataset; a request that lacks a column that the dataset needs becomes none."""
        delivered, label = self.model.dataset.delivered, self.model.label.column
        needed = {name for name, column in delivered.items() if not column.nullable and name != label}
        records = []
        for inputs, outcome in rows.select("inputs", "outcome").iter_rows():
            sent = json.loads(inputs)
            if all(sent.get(name) is not None for name in needed):
                records.append({name: sent.get(name) for name in delivered} | {label: self._value_of(outcome)})
        return records

    def _value_of(self, outcome: str) -> str:
        if self.model.label.kind is not YES_NO:
            return outcome
        equals = str(self.model.label.equals)
        return equals if outcome == "1" else next(value for value in _values_of(self.model) if value != equals)


def _values_of(model: Model) -> tuple[str, ...]:
    return tuple(model.dataset.columns[model.label.column].values or ())
