"""How one version's small requests are read and their features built without a frame."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.features.features import FeatureMatrix, build_features, feature_columns, history_needed
from almanac.features.own import own_sha256
from almanac.serving.compiled.asked_cells import AskedCells
from almanac.serving.compiled.cells import (
    EPOCH,
    MICROSECOND,
    Cell,
    Reader,
    UnclearError,
    cell_reader,
    microseconds,
)
from almanac.serving.compiled.past import Past
from almanac.serving.compiled.row_features import RowFeatures, groupings, is_known, looked_back_at, other_keys

if TYPE_CHECKING:
    import polars as pl

    from almanac.serving.history import History
    from almanac.serving.request_rows import RequestReader, Row

_log = logging.getLogger(__name__)
MOST_ROWS = 64
"""Of one request; of more, frames are faster."""
MOST_VALUES = 8_192
"""Features of all rows of one request; more would hold up the event loop."""

_TRIED = 48
_TRIED_NUMBERS = (0.1, 37.25, -1e-7, 7.0, 1e17, 250.0, 3.0)


@dataclass(frozen=True, eq=False)
class ReadRows:
    """Rows of one request that are right, and their features.

    Attributes:
        times: of the rows, aware.
        keys: the other key columns of each.
        matrix: [n, k].
    """

    times: Sequence[datetime]
    keys: Sequence[Mapping[str, object]]
    matrix: FeatureMatrix


@dataclass(frozen=True, eq=False)
class RowPlan:
    """Compiled once for a loaded version; `with_history` takes a new state of the dataset.

    Attributes:
        model: as the version was trained.
        readers: of the columns that a request gives.
        known: every column that it may give.
        features: how they are built.
        names, code: of the matrix; see `FeatureMatrix`.
        back_us: how far a feature looks back, microseconds.
        history: from when on all rows are in `past`; None: no feature looks back, or there is no row.
        past: the rows before.
    """

    model: Model
    readers: Mapping[str, Reader]
    known: frozenset[str]
    features: RowFeatures
    names: tuple[str, ...]
    code: str
    back_us: int
    since: int | None = None
    past: Past | None = None

    @classmethod
    def of(cls, model: Model, reader: "RequestReader") -> "RowPlan | None":
        """Compile one; None: the declaration has something that only the general path knows, or the two differ here."""
        readers = {
            name: cell_reader(column, [rule for rule in reader.rules if rule.column == name])
            for name, column in reader.dataset.columns.items()
        }
        found = {name: each for name, each in readers.items() if each is not None}
        if len(found) < len(readers) or not is_known(model):
            _log.info("%s: its requests are answered by way of frames: it declares what no row shows alone", model.name)
            return None
        names = tuple(name for feature in model.features for name in feature.names)
        back_us = history_needed(model) // MICROSECOND
        plan = cls(model, found, frozenset(reader.known), RowFeatures(model), names, own_sha256(model), back_us)
        if not plan._agrees():
            _log.warning(
                "%s: features of single rows differ from those of frames on this machine; its requests are answered by"
                " way of frames, which is slower",
                model.name,
            )
            return None
        return plan

    def with_history(self, history: "History | None") -> "RowPlan":
        """The same with another state of the dataset."""
        if history is None:
            return self
        since = None if history.since is None else microseconds(history.since)
        return replace(self, since=since, past=self._past(history.frame))

    def read(self, rows: Sequence["Row"], *, now: datetime) -> ReadRows:
        """Read and check the rows of one request, and build their features.

        Raises:
            UnclearError: a row is not obviously right; or too many are there, or too old ones.
        """
        import numpy as np

        dataset, asked = self.model.dataset, self._cells(rows, now)
        keys = [dict(zip(asked.key, _shown(dataset.columns, asked.key, key), strict=True)) for key in self._keys(asked)]
        values = self.features.build(asked)
        times = np.array(asked.times, dtype="datetime64[us]")
        matrix = FeatureMatrix(self.names, values, times, self.code)
        return ReadRows([EPOCH + timedelta(microseconds=time) for time in asked.times], keys, matrix)

    def _cells(self, rows: Sequence["Row"], now: datetime) -> AskedCells:
        few = len(rows) <= MOST_ROWS and len(rows) * len(self.names) <= MOST_VALUES
        if not few or not all(self.known.issuperset(row) for row in rows):
            raise UnclearError
        values: dict[str, list[Cell]] = {
            name: [read(row.get(name)) for row in rows] for name, read in self.readers.items()
        }
        dataset = self.model.dataset
        if dataset.is_arrival:
            values[dataset.time] = [microseconds(now)] * len(rows)
            if not dataset.has_key:
                values[dataset.key[0]] = [str(row) for row in range(len(rows))]
        times: list[int] = values[dataset.time]  # type: ignore[assignment] # of a time that may not be empty
        if self.since is not None and min(times) - self.back_us < self.since:
            raise UnclearError
        return AskedCells(times, values, other_keys(self.model), self.past)

    def _keys(self, asked: AskedCells) -> Sequence[tuple[Cell, ...]]:
        """The other key columns of each row; two rows with one key are for the general path to refuse."""
        columns = [asked.values[name] for name in asked.key]
        keys = list(zip(*columns, strict=True)) if columns else [()] * len(asked.times)
        if len(keys) > 1 and len(set(zip(asked.times, keys, strict=True))) < len(keys):
            raise UnclearError
        return keys

    def _past(self, frame: "pl.DataFrame") -> Past:
        return Past(frame, self.model.dataset.time, groupings(self.model), looked_back_at(self.model))

    def _agrees(self) -> bool:
        """Whether made-up rows have the features here that they have in a frame: libraries may differ by machine."""
        import polars as pl

        model, columns = self.model, feature_columns(self.model)
        kinds: dict[str, Any] = {
            "float": pl.Float64,
            "integer": pl.Int64,
            "string": pl.String,
            "timestamp": pl.Datetime("us", "UTC"),
        }
        values = {name: _made_up(model, name, place) for place, name in enumerate(columns)}
        schema = {name: kinds[model.dataset.columns[name].type] for name in columns}
        times = {name for name in columns if schema[name] == kinds["timestamp"]}
        frame = pl.DataFrame(
            {name: pl.Series(name, cells).cast(schema[name]) for name, cells in values.items() if name not in times}
            | {
                name: pl.Series(name, values[name]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
                for name in times
            }
        ).select(columns)
        past = self._past(frame.clear()) if groupings(model) else None
        asked = AskedCells(values[model.dataset.time], values, other_keys(model), past)  # type: ignore[arg-type]
        try:
            return self.features.build(asked).tobytes() == build_features(model, frame).values.tobytes()
        except UnclearError:
            return False


def _shown(columns: Mapping[str, object], names: Sequence[str], key: Sequence[Cell]) -> list[object]:
    """Key values as a frame gives them."""
    return [  # of most rows none
        EPOCH + timedelta(microseconds=each) if columns[name].type == "timestamp" and each is not None else each  # type: ignore[attr-defined, arg-type]
        for name, each in zip(names, key, strict=True)
    ]


def _made_up(model: Model, name: str, place: int) -> list[Cell]:
    """Values of a column that try every branch; of keys none is unknown."""
    dataset, count = model.dataset, range(_TRIED)
    if name == dataset.time:
        start, step = (
            microseconds(datetime.fromisoformat("2024-02-28T21:13:07.250001+00:00")),
            dataset.step // MICROSECOND,
        )
        return [start + row * step for row in count]
    asks = {per for by in groupings(model) for per in by} | set(dataset.key)
    kind = dataset.columns[name].type
    declared = (each.encode("ascii", "ignore").decode()[:40] for each in dataset.columns[name].values or ())
    words = (*filter(None, declared), "Oslo harbour", "x")
    made: list[Cell] = []
    for row in count:
        turn = row * 7 + place * 3 + row // 5
        if name not in asks and turn % 11 == 0:
            made.append(None)
        elif kind == "string":
            made.append(words[0] if name in asks else words[turn % len(words)])
        elif kind == "float":
            made.append(_TRIED_NUMBERS[turn % len(_TRIED_NUMBERS)] * (1 + row / 3))
        else:
            made.append(5 if name in asks else turn * 86_399_000_017)
    return made
