"""Reads the rows of a request as ingest reads the rows of a file, and refuses those that it would quarantine."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from almanac.config.grammar.arrival_columns import ARRIVAL, ARRIVAL_ROW
from almanac.config.schema import Model
from almanac.data.formats.reader import ROW
from almanac.data.ingest.parsing import parse_cells
from almanac.display import shorten
from almanac.errors import DataError
from almanac.serving.history import own_columns
from almanac.validation.masks import broken_rules, mark_rows
from almanac.validation.rules import compile_rules

if TYPE_CHECKING:
    import polars as pl

Row = Mapping[str, object]

_OF_ONE_ROW = ("type", "null", "range", "values", "regex", "past")
_MAX_GOT = 80
_MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value of a request; `row` counts from 0."""

    row: int
    column: str
    got: str
    expected: str


class RequestError(DataError):
    """The rows of a request are not what the model's YAML declares."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(
            f"row {first.row}, column {first.column}: got {first.got}, expected {first.expected}"
            + (f"; and {len(problems) - 1} more" if len(problems) > 1 else "")
        )
        self.problems = tuple(problems[:_MAX_PROBLEMS])


class RequestReader:
    """Reads rows for one model.

    Args:
        model: declares the columns and their rules.
    """

    def __init__(self, model: Model) -> None:
        declared = model.dataset.delivered
        self.columns = tuple(own_columns(model))
        self._given = tuple(name for name in self.columns if name in declared)
        # JSON's numbers are written in one way only, whatever the files of the port do
        plain = {name: declared[name].model_copy(update={"decimal": None, "thousands": None}) for name in self._given}
        self.dataset = model.dataset.model_copy(update={"columns": plain})
        self.rules = [
            rule
            for rule in compile_rules(self.dataset)
            if rule.column in plain and rule.kind in _OF_ONE_ROW and rule.action != "warn"
        ]
        self.known = {*declared, *model.dataset.ignored_columns}
        self._key = list(dict.fromkeys((model.dataset.time, *model.dataset.key)))
        self._model = model

    def read(self, requests: Sequence[Sequence[Row]], *, now: datetime) -> "tuple[pl.DataFrame, list[list[Problem]]]":
        """Type the columns that features read; columns of the dataset that no feature reads may be there.

        Requests are read together, because reading one costs nearly as much as reading many.

        Args:
            requests: of each its rows: JSON objects, by column name; times as text, as the column's `format` says.
            now: aware.

        Returns:
            All rows, [n], in their order; and for each request what is wrong with it.
        """
        import polars as pl

        rows = [row for request in requests for row in request]
        of = [number for number, request in enumerate(requests) for _ in request]
        first = [0, *itertools.accumulate(len(request) for request in requests)]
        texts = {name: [_as_text(row.get(name)) for row in rows] for name in self._given}
        cells = pl.DataFrame(texts, schema=dict.fromkeys(self._given, pl.String)).with_row_index(ROW)
        try:
            typed = parse_cells(cells, self.dataset, ".", self._model.name)
        except DataError as error:  # not one of the times has an offset: ingest refuses such a file whole
            wrong = [Problem(0, self._model.dataset.time, "times without an offset", str(error))]
            return pl.DataFrame(), [list(wrong) for _ in requests]
        broken = broken_rules(mark_rows(typed, self.rules, newest=None, before=None), self.rules, now=now)
        problems: list[list[Problem]] = [
            [problem for number, row in enumerate(request) for problem in self._unknown(number, row)]
            for request in requests
        ]
        for rule in self.rules:
            for row in broken[rule.name].arg_true().to_list() if broken[rule.name].any() else ():
                got = shorten(repr(rows[row].get(rule.column)), _MAX_GOT)
                problems[of[row]].append(Problem(row - first[of[row]], rule.column, got, rule.says))
        typed = self._with_added(typed, now)
        keys = typed.select(pl.Series("_request", of, dtype=pl.UInt32), *self._key)
        if keys.height > len(requests):
            for row in keys.is_duplicated().arg_true().to_list():
                got = "the key of another row of the request"
                problems[of[row]].append(Problem(row - first[of[row]], ", ".join(self._key), got, "each key once"))
        return typed.select(self.columns), problems

    def _with_added(self, typed: "pl.DataFrame", now: datetime) -> "pl.DataFrame":
        """What ingest adds to rows without a time: they arrive now, and each is a row of its own."""
        import polars as pl

        added = {
            ARRIVAL: pl.lit(now, dtype=pl.Datetime("us", "UTC")),
            ARRIVAL_ROW: pl.int_range(pl.len()).cast(pl.String),
        }
        return typed.with_columns(added[name].alias(name) for name in self.columns if name in added)

    def _unknown(self, number: int, row: Row) -> list[Problem]:
        problems = []
        for name in row.keys() - self.known:
            near = get_close_matches(name, self.known, n=1)
            expected = f"a column of the dataset{f': did you mean {near[0]!r}?' if near else ''}"
            problems.append(Problem(number, shorten(name, _MAX_GOT), "an unknown column", expected))
        return problems


def _as_text(value: object) -> str | None:
    """A JSON value as a cell of a file; what is no value of one becomes a text that no column takes."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{type(value).__name__} {value!r}"
    return repr(value)
