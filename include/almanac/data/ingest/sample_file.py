"""A file of rows that the dataset does not hold, made of rows that it holds: something to land where nobody sends."""

import gzip
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.formats import CsvFormat, JsonLinesFormat
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_STEPS = 48
_DAY = timedelta(days=1)


def write_sample(model: Model, rows: "pl.DataFrame", folder: Path, *, now: datetime) -> Path:
    """Write the newest rows again under later times, as the model's source would send them.

    Args:
        model: declares the format, the patterns and the step.
        rows: of the dataset, at least one.
        folder: where to; the file appears whole.
        now: no row lies in the future; where the newest rows are too young for later ones, the file holds earlier ones.

    Raises:
        ConfigError: no file of this format or under these patterns can be made here.
    """
    import polars as pl

    time = model.dataset.time
    newest, oldest = _ends(rows, time)
    taken = rows.filter(pl.col(time) > newest - _STEPS * model.dataset.step)
    span = newest - _ends(taken, time)[1] + model.dataset.step
    moved = _whole_days(span)
    if newest + moved > now:
        moved = -_whole_days(newest - oldest + span)
    content = _encoded(model, taken.select(list(model.dataset.columns)).with_columns(pl.col(time) + moved))
    name = _name(model)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{name}.part"
    unfinished.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return unfinished.rename(folder / name)


def _ends(rows: "pl.DataFrame", time: str) -> tuple[datetime, datetime]:
    """The newest and the oldest time."""
    times: list[datetime] = rows[time].sort().to_list()
    return times[-1], times[0]


def _whole_days(span: timedelta) -> timedelta:
    """The clock's hour stays what it was, and with it every rhythm of a day."""
    return -(-span // _DAY) * _DAY


def _name(model: Model) -> str:
    for pattern in model.source.patterns:
        name = pattern.replace("*", "disaster_drill")
        if not set("?[]{}/") & set(name) and not name.endswith(".zst"):
            return name
    raise ConfigError(f"{model.name}: no file name can be derived from source.patterns {list(model.source.patterns)}")


def _encoded(model: Model, rows: "pl.DataFrame") -> bytes:
    import polars as pl

    declared = model.source.format
    if isinstance(declared, CsvFormat):
        if declared.decimal != ".":
            floats = [name for name, kind in rows.schema.items() if kind.is_float()]
            rows = rows.with_columns(pl.col(floats).cast(pl.String).str.replace(".", declared.decimal, literal=True))
        text = rows.write_csv(
            separator=declared.delimiter, quote_char=declared.quote, datetime_format="%Y-%m-%dT%H:%M:%S%.f%:z"
        )
        return text.encode(declared.encoding)
    if isinstance(declared, JsonLinesFormat):
        time = pl.col(model.dataset.time).dt.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")
        return rows.with_columns(time).write_ndjson().encode()
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()
