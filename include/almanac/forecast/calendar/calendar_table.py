"""Reads the known-ahead columns of a forecast: a CSV file beside its declaration, or another model's dataset."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.files.loader import card_of, find_declared
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import collect, open_table, scan_table
from almanac.errors import ConfigError
from almanac.forecast.frame import shown

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from almanac.forecast.panel import Array

_MOST_BYTES = 256 * 1024**2
_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class CalendarTable:
    """Known-ahead columns of all grains.

    Attributes:
        columns: their names; none: the forecast has no calendar.
        step_us: of the forecast, in microseconds.
        horizon: of the forecast.
        by: places in the grain of the columns by which the rows differ.
        width: how many columns a grain has; the name of a total has fewer values.
    """

    columns: tuple[str, ...]
    step_us: int
    horizon: int
    by: tuple[int, ...] = ()
    width: int = 0
    _parts: "Mapping[str, tuple[npt.NDArray[np.int64], Array]]" = field(default_factory=dict, repr=False)

    @property
    def names(self) -> str:
        """The columns, for a key; empty without a calendar."""
        return json.dumps(self.columns) if self.columns else ""

    def of_grain(self, grain: str, times: "npt.NDArray[np.int64]") -> "Array | None":
        """The rows of a series, of shape (steps + horizon, columns); NaN: there is no such row, or it has no value.

        None: there is no calendar, or the grains of a total have each their own.

        Args:
            grain: its name, or that of a total.
            times: of its rows, one step apart; microseconds since 1970.
        """
        import numpy as np

        if not self.columns or not len(times) or (self.by and len(json.loads(grain)) < self.width):
            return None
        wanted = times[0] + self.step_us * np.arange(len(times) + self.horizon, dtype=np.int64)
        found = np.full((len(wanted), len(self.columns)), np.nan)
        part = self._parts.get(self._key(grain))
        if part is not None:
            place = np.searchsorted(part[0], wanted).clip(max=len(part[0]) - 1)
            there = part[0][place] == wanted
            found[there] = part[1][place[there]]
        return found

    def problem(self, times: "npt.NDArray[np.int64]", known: "Array | None") -> str:
        """Why a grain is set aside: `calendar: detail`; empty: all its rows are there."""
        import numpy as np

        if known is None or np.isfinite(known).all():
            return ""
        lost = np.argwhere(~np.isfinite(known))
        (first, place), steps = lost[0], np.unique(lost[:, 0])
        ahead = int((steps >= len(times)).sum())
        return (
            f"calendar: {len(steps)} of {len(known)} steps have no value, {ahead} of them ahead, the first:"
            f" {self.columns[place]} at {shown(times[0] + first * self.step_us)}"
        )

    def _key(self, grain: str) -> str:
        values = json.loads(grain)
        return json.dumps([values[place] for place in self.by], ensure_ascii=False)


def read_calendar(model: ForecastModel, home: Home) -> CalendarTable:
    """The calendar that a forecast declares; one without columns where it declares none.

    Raises:
        ConfigError: there is no such file or model, or it is not what a calendar must be.
        DataError: the other model has no dataset yet.
        TransientError: the store is unreachable.
    """
    from datetime import timedelta

    step_us = model.dataset.step // timedelta(microseconds=1)
    declared = model.forecast.calendar
    if declared is None:
        return CalendarTable((), step_us, model.forecast.horizon)
    if declared.file is not None:
        path = card_of(home.models, model.name).with_name(declared.file)
        rows, where, time = _read_file(path, model.dataset.time), str(path), model.dataset.time
    else:
        other = find_declared(home.models, str(declared.model))
        uri, time = home.dataset_of(other.dataset_owner), other.dataset.time
        table = open_table(uri, DatasetTable.of(home, other).version())
        rows, where = collect(scan_table(table), uri), f"the dataset of {other.name}"
        rows = rows.drop([name for name in rows.columns if name.startswith("_")])
    return _table(model, rows, time, f"{model.name}: forecast.calendar: {where}", step_us)


def _read_file(path: "Path", time: str) -> "pl.DataFrame":
    import polars as pl

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: got {path.stat().st_size} bytes, expected at most {_MOST_BYTES}")
        rows = pl.read_csv(path, infer_schema=False, empty_string_is_null=True)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}; forecast.calendar names this file. Put it there"
        ) from None
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{path}: no CSV that can be read: {str(error).splitlines()[0]}") from None
    if time not in rows.columns:
        raise ConfigError(f"{path}: got the columns {rows.columns}, expected one with the time, {time!r}")
    texts = rows[time]
    parsed = pl.coalesce(pl.col(time).str.to_datetime(form, time_unit="us", strict=False) for form in _TIMES)
    rows = rows.with_columns(parsed.dt.replace_time_zone("UTC"))
    if (odd := rows[time].is_null()).any():
        line = int(odd.arg_max() or 0)
        raise ConfigError(f"{path}: line {line + 2}: {time}: got {texts[line]!r}, expected such as 2024-12-23 (UTC)")
    return rows


def _table(model: ForecastModel, rows: "pl.DataFrame", time: str, where: str, step_us: int) -> CalendarTable:
    import numpy as np
    import polars as pl

    grain, wanted = list(model.forecast.grain), model.forecast.calendar
    by = [name for name in grain if name in rows.columns]
    rest = [name for name in rows.columns if name not in (time, *by)]
    if wanted is not None and wanted.columns:
        if lost := sorted(set(wanted.columns) - set(rest)):
            raise ConfigError(f"{where}: no columns {lost}; expected some of {rest}")
        rest = list(wanted.columns)
    numbers = rows.select(rest).cast(pl.Float64, strict=False)
    for name in rest:
        if (odd := numbers[name].is_null() & rows[name].is_not_null()).any():
            got = rows[name].filter(odd)[0]
            raise ConfigError(f"{where}: {name}: got {got!r}, expected numbers; write a yes or no as 1 or 0")
    if not rest or not len(rows):
        raise ConfigError(f"{where}: got {len(rows)} rows, columns {rows.columns}; expected {time} and numbers")
    columns = model.dataset.columns
    names = [pl.col(name).cast(pl.Int64 if columns[name].type == "integer" else pl.String) for name in by]
    rows = rows.select(*names, pl.col(time).dt.timestamp("us").alias("_time")).hstack(numbers).sort(*by, "_time")
    if (twice := rows.select(*by, "_time").is_duplicated()).any():
        found = rows.filter(twice).row(0, named=True)
        raise ConfigError(
            f"{where}: two rows of {shown(found.pop('_time'))}{ {name: found[name] for name in by} or '' }"
        )
    parts = {}
    for key, part in rows.partition_by(by, as_dict=True).items() if by else [((), rows)]:
        name = json.dumps(list(key), ensure_ascii=False)
        parts[name] = (
            part["_time"].to_numpy(),
            part.select(rest).fill_null(float("nan")).to_numpy().astype(np.float64),
        )
    return CalendarTable(tuple(rest), step_us, model.forecast.horizon, tuple(map(grain.index, by)), len(grain), parts)
