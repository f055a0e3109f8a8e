"""A file of rows that the dataset does not hold, made of rows that it holds: something to land where nobody sends."""

import gzip
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.grammar.time_format import ISO
from almanac.config.schema import Declared
from almanac.config.sections.formats import (
    AvroFormat,
    CsvFormat,
    ExcelFormat,
    FixedWidthFormat,
    JsonLinesFormat,
    OrcFormat,
    ParquetFormat,
)
from almanac.data.ingest.times import write_times
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_STEPS = 48
_DAY = timedelta(days=1)


def write_sample(model: Declared, rows: "pl.DataFrame", folder: Path, *, now: datetime) -> Path:
    """Write the newest rows again under later times, or new keys, as the model's source would send them.

    Args:
        model: declares the format, the patterns and the step.
        rows: of the dataset, at least one.
        folder: where to; the file appears whole.
        now: no row lies in the future; where the newest rows are too young for later ones, the file holds earlier ones.

    Raises:
        ConfigError: no file of this format or under these patterns can be made here.
    """
    import polars as pl

    if model.dataset.is_arrival:
        return _written(model, _with_new_keys(model, rows.tail(_STEPS)), folder)
    time = model.dataset.time
    newest, oldest = _ends(rows, time)
    taken = rows.filter(pl.col(time) > newest - _STEPS * model.dataset.step)
    span = newest - _ends(taken, time)[1] + model.dataset.step
    moved = _whole_days(span)
    if newest + moved > now:
        moved = -_whole_days(newest - oldest + span)
    return _written(model, taken.with_columns(pl.col(time) + moved), folder)


def _with_new_keys(model: Declared, rows: "pl.DataFrame") -> "pl.DataFrame":
    """Rows without a time as those of others: with their own keys the dataset would hold them already.

    Raises:
        ConfigError: the key's first column has rules, which a value that is made up may break.
    """
    import polars as pl

    key = [name for name in model.dataset.key if name in model.dataset.delivered]
    for name in key[:1]:
        column = model.dataset.columns[name]
        if column.values or column.regex or column.max is not None or column.type == "timestamp":
            raise ConfigError(f"{model.name}: no new key can be made up where {name} has rules, or is a time")
        new = pl.col(name) + "-new" if column.type == "string" else pl.col(name) + pl.col(name).abs().max() + 1
        return rows.with_columns(new.alias(name))
    return rows.reverse()  # not the bytes of the file that they came in


def _written(model: Declared, rows: "pl.DataFrame", folder: Path) -> Path:
    content = _encoded(model, rows.select(list(model.dataset.delivered)))
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


def _name(model: Declared) -> str:
    for pattern in model.source.patterns:
        name = pattern.replace("*", "disaster_drill")
        if not set("?[]{}/") & set(name) and not name.endswith((".zst", ".bz2", ".xz", ".zip")):
            return name
    raise ConfigError(f"{model.name}: no file name can be derived from source.patterns {list(model.source.patterns)}")


def _encoded(model: Declared, rows: "pl.DataFrame") -> bytes:
    """The rows as the bytes of a file of the model's source.

    Raises:
        ConfigError: a value does not fit into its place.
    """
    declared = model.source.format
    if isinstance(declared, ExcelFormat):
        raise ConfigError(
            f"{model.name}: an Excel file cannot be written here, only read; expected another source.format"
        )
    if isinstance(declared, ParquetFormat | OrcFormat | AvroFormat):
        return _columnar(declared, _in_file(model, rows, as_text=False))
    cells = _in_file(model, rows, as_text=True)
    if isinstance(declared, JsonLinesFormat):
        return cells.write_ndjson().encode()
    if isinstance(declared, FixedWidthFormat):
        text = "".join(_placed(model.name, declared, row) for row in cells.iter_rows(named=True))
    else:
        text = _csv(declared, cells)
    above, below = ("-\n" * lines for lines in (declared.skip_lines, declared.footer_lines))
    return f"{above}{text}{below}".encode(declared.encoding)


def _in_file(model: Declared, rows: "pl.DataFrame", *, as_text: bool) -> "pl.DataFrame":
    """The rows under the file's names: values, or the texts that the model's reader reads back."""
    import polars as pl

    decimal = getattr(model.source.format, "decimal", ".")
    columns: dict[str, pl.Expr] = {}
    for name, column in model.dataset.delivered.items():
        value = pl.col(name)
        if column.type == "timestamp" and (as_text or column.format != ISO):
            value = write_times(value, column)
        elif column.type == "float" and as_text:
            value = value.cast(pl.String).str.replace(".", column.decimal or decimal, literal=True)
        if len(column.from_) > 1:
            parts = value.str.split(" ")
            columns |= {source: parts.list.get(n, null_on_oob=True) for n, source in enumerate(column.from_)}
        else:
            columns[(column.from_ or (name,))[0]] = value
    return rows.select(**columns)


def _columnar(declared: ParquetFormat | OrcFormat | AvroFormat, rows: "pl.DataFrame") -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    match declared:
        case ParquetFormat():
            rows.write_parquet(buffer)
        case AvroFormat():  # polars writes no zone, and Avro needs none: its times are in UTC
            rows.with_columns(pl.selectors.datetime(time_zone="*").dt.replace_time_zone(None)).write_avro(buffer)
        case OrcFormat():
            from pyarrow import orc

            orc.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), buffer)
    return buffer.getvalue()


def _csv(declared: CsvFormat, cells: "pl.DataFrame") -> str:
    import polars as pl

    if declared.names:
        absent = [pl.lit(None, pl.String).alias(name) for name in declared.names if name not in cells.columns]
        cells = cells.with_columns(absent).select(declared.names)
    if declared.row_names is not None and declared.row_names not in cells.columns:
        cells = cells.with_columns(pl.int_range(1, pl.len() + 1).cast(pl.String).alias(declared.row_names))
    if declared.row_names is not None:
        cells = cells.select(declared.row_names, pl.exclude(declared.row_names))
    text = cells.write_csv(
        separator=declared.delimiter, quote_char=declared.quote, include_header=declared.header == "first"
    )
    return text.split(declared.delimiter, 1)[1] if declared.row_names is not None else text


def _placed(model: str, declared: FixedWidthFormat, row: dict[str, str | None]) -> str:
    line = ""
    for name, (first, last) in sorted(declared.columns.items(), key=lambda item: item[1]):
        text = str(row.get(name) or "")
        if len(text) > last - first + 1:
            raise ConfigError(f"{model}: {name}: {text!r} does not fit into characters {first} to {last}")
        line = f"{line.ljust(first - 1)}{text.rjust(last - first + 1)}"
    return f"{line}\n"
