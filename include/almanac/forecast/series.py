"""Reads the series of grains from a dataset at one version, so many at a time as memory shall hold."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import collect, open_table, scan_table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from almanac.forecast.panel import Array

AT_ONCE = 2_000  # grains whose rows are in memory while they are checked


@dataclass(frozen=True)
class Series:
    """The rows of one grain, by time.

    Attributes:
        grain: its name: its values in the order of `forecast.grain`, as JSON.
        times: microseconds since 1970 in UTC.
        values: of the target; NaN: empty.
    """

    grain: str
    times: "npt.NDArray[np.int64]"
    values: "Array"


@dataclass(frozen=True)
class GrainReader:
    """The series of a forecast's dataset. Of `until`, no row after it is read: who forecasts the past sees no future.

    Raises:
        DataError: on every method: there is no dataset, or no such version.
        TransientError: on every method: the store is unreachable.
    """

    model: ForecastModel
    home: Home
    version: int
    _table: Any = field(repr=False)
    until: datetime | None = None

    @classmethod
    def of(
        cls, model: ForecastModel, home: Home, version: int | None = None, *, until: datetime | None = None
    ) -> "GrainReader":
        """Of a version of the dataset; None: the newest."""
        dataset = DatasetTable.of(home, model)
        chosen = dataset.version() if version is None else version
        return cls(model, home, chosen, open_table(dataset.uri, chosen), until)

    def grains(self) -> list[str]:
        """The names of all grains, sorted."""
        names = list(self.model.forecast.grain)
        found = collect(self._rows().select(names).unique(), self.uri, streaming=True)
        return sorted(json.dumps(row, ensure_ascii=False) for row in found.rows())

    def newest(self, limit: datetime) -> datetime | None:
        """The newest time up to a limit; None: there is none."""
        import polars as pl

        time = pl.col(self.model.dataset.time)
        found = collect(self._rows().filter(time <= limit).select(time.max()), self.uri, streaming=True)
        newest: datetime | None = found.item()
        return newest

    def values_of(self, times: "pl.Series") -> "pl.DataFrame":
        """`grain`, `time` and `actual` of the rows at these times that have a value."""
        import polars as pl

        names, time = list(self.model.forecast.grain), self.model.dataset.time
        actual = pl.col(self.model.forecast.target).cast(pl.Float64)
        rows = self._rows().filter(pl.col(time).is_in(times.unique().to_list()), actual.is_not_null())
        found = collect(rows.select(*names, pl.col(time).alias("_time"), actual.alias("actual")), self.uri)
        grains = pl.Series("grain", [json.dumps(row, ensure_ascii=False) for row in found.select(names).iter_rows()])
        return pl.DataFrame([grains.cast(pl.String), found["_time"].alias("time"), found["actual"]])

    def read(self, grains: Sequence[str]) -> Iterator[Series]:
        """The series of these grains, in their order; `AT_ONCE` are in memory at a time."""
        for start in range(0, len(grains), AT_ONCE):
            yield from self._read(grains[start : start + AT_ONCE])

    def _read(self, grains: Sequence[str]) -> Iterator[Series]:
        import numpy as np
        import polars as pl

        names, time, target = list(self.model.forecast.grain), self.model.dataset.time, self.model.forecast.target
        rows = self._rows()
        schema = rows.collect_schema()
        wanted = pl.DataFrame(
            [json.loads(grain) for grain in grains], schema={name: schema[name] for name in names}, orient="row"
        ).with_columns(pl.Series("_place", range(len(grains)), pl.Int64))
        found = collect(
            rows.select(*names, pl.col(time).dt.timestamp("us").alias("_time"), pl.col(target).cast(pl.Float64))
            .join(wanted.lazy(), on=names, how="inner", nulls_equal=True)
            .select("_place", "_time", pl.col(target).alias("_value")),
            self.uri,
        ).sort("_place", "_time", "_value")
        bounds = np.searchsorted(found["_place"].to_numpy(), np.arange(len(grains) + 1))
        times, values = found["_time"].to_numpy(), found["_value"].fill_null(float("nan")).to_numpy()
        for place, grain in enumerate(grains):
            chosen = slice(int(bounds[place]), int(bounds[place + 1]))
            yield Series(grain, times[chosen], values[chosen])

    def _rows(self) -> "pl.LazyFrame":
        import polars as pl

        rows = scan_table(self._table)
        return rows if self.until is None else rows.filter(pl.col(self.model.dataset.time) <= self.until)

    @property
    def uri(self) -> str:
        """The place of the dataset."""
        return self.home.dataset_of(self.model.dataset_owner)


def grain_columns(model: ForecastModel, grains: Sequence[str]) -> "pl.DataFrame":
    """The columns of grains' names."""
    import polars as pl

    types = {"string": pl.String, "integer": pl.Int64}
    columns = model.dataset.columns
    schema = {name: types[columns[name].type] for name in model.forecast.grain}
    return pl.DataFrame([json.loads(grain) for grain in grains], schema=schema, orient="row")
