"""What a dataset is: origin, owner, licence, schema, statistics. From its log alone: no data are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.table.delta_table import open_table
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ColumnCard:
    """A column. `smallest` and `largest` are None for texts, and where nothing stands in it."""

    name: str
    type: str
    unit: str
    description: str
    nulls: int
    smallest: object = None
    largest: object = None


@dataclass(frozen=True)
class DatasetCard:
    """A dataset at one version; `parent_version` is what the rows of its commit were checked against.

    Corrections rewrite files: figures are of the rows that are there at this version.
    """

    model: str
    uri: str
    origin: str
    owner: str
    licence: str
    version: int
    parent_version: int | None
    created_at: datetime
    changed_at: datetime
    batch: str  # the batch of this version's commit; empty where it added none
    rows: int
    files: int
    size_bytes: int
    columns: tuple[ColumnCard, ...]


def describe_dataset(model: Declared, home: Home, version: int | None = None) -> DatasetCard:
    """Describe the dataset at a version (none: the newest).

    Raises:
        DataError: there is no dataset, or no such version.
        TransientError: the store is unreachable.
    """
    import polars as pl

    uri = home.dataset_of(model.dataset_owner)
    table = open_table(uri, version)
    if table is None:
        raise DataError(
            f"{uri}: no dataset; got nothing at this location. Let a file land: its ingest DAG publishes it."
        )
    commit = table.history(1)[0]
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    at = int(table.version())
    return DatasetCard(
        model=model.dataset_owner,
        uri=uri,
        origin=model.dataset.origin,
        owner=model.owner,
        licence=model.dataset.licence,
        version=at,
        parent_version=at - 1 if at else None,
        created_at=_time(table.metadata().created_time),
        changed_at=_time(commit["timestamp"]),
        batch=str(commit.get("batch", "")),
        rows=int(files["num_records"].sum()),
        files=files.height,
        size_bytes=int(files["size_bytes"].sum()),
        columns=tuple(_columns(model, table, files)),
    )


def _columns(model: Declared, table: Any, files: "pl.DataFrame") -> Iterator[ColumnCard]:
    """A column that came later stands in no statistics of earlier files: their rows hold nothing in it."""
    import polars as pl

    for field in table.schema().fields:
        declared = model.dataset.columns.get(field.name)
        if field.name.startswith("_") and declared is None:
            continue
        nulls, low, high = (f"{what}.{field.name}" for what in ("null_count", "min", "max"))
        empty = pl.col(nulls) if nulls in files.columns else pl.lit(None, pl.Int64)
        yield ColumnCard(
            name=field.name,
            type=str(field.type.type),
            unit=declared.unit if declared else "",
            description=declared.description if declared else "",
            nulls=int(files.select(pl.coalesce(empty, "num_records").sum()).item()),
            smallest=files[low].min() if low in files.columns else None,
            largest=files[high].max() if high in files.columns else None,
        )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
