"""Deletes the results and versions of old periods that nothing needs any more."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.files.loader import refuse_to_delete
from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import collect, open_table, own_commit, scan_table
from almanac.errors import TransientError
from almanac.forecast.past.accuracy import MOST_VERSIONS
from almanac.forecast.published import PublishedTable
from almanac.forecast.results import ORIGIN
from almanac.forecast.versions import VERSION
from almanac.storage.errors import describe

if TYPE_CHECKING:
    import polars as pl

_READERS = timedelta(days=7)  # who reads an older version of a table has so long to finish


def expire_results(model: ForecastModel, home: Home, *, now: datetime) -> dict[str, Any]:
    """Delete the periods that are older than `forecast.keep`; those of the versions published last stay.

    Results go after the versions that name them: a run that is killed between the two leaves results without a
    version, which the next run deletes.

    Returns:
        `versions` and `periods`: how many were deleted.

    Raises:
        ConfigError: a YAML is broken, of whatever model; nothing was deleted.
        TransientError: the store is unreachable, or another run committed meanwhile; it is tried again.
    """
    keep, uri = model.forecast.keep, home.forecast_versions_of(model.name)
    table = open_table(uri)
    if keep is None or table is None:
        return {"versions": 0, "periods": 0}
    refuse_to_delete(home.models)
    known = collect(scan_table(table).select(VERSION, ORIGIN).unique(), uri).sort(VERSION)
    before = (now - keep).strftime("%Y-%m-%dT%H:%M:%SZ")  # as text in the order of time
    published = dict.fromkeys(one.version for one in PublishedTable.of(home, model).publications())
    old, stay = _old_versions(known, before, list(published)[:MOST_VERSIONS])
    _delete(uri, VERSION, old)
    results = open_table(home.forecast_results_of(model.name))
    if results is None:
        return {"versions": len(old), "periods": 0}
    origins = set(collect(scan_table(results).select(ORIGIN).unique(), uri)[ORIGIN].to_list())
    gone = sorted(origin for origin in origins - stay if origin < before)
    _delete(home.forecast_results_of(model.name), ORIGIN, gone)
    if open_table(home.forecast_fits_of(model.name)) is not None:
        _delete(home.forecast_fits_of(model.name), ORIGIN, gone)
    return {"versions": len(old), "periods": len(gone)}


def _old_versions(known: "pl.DataFrame", before: str, needed: list[str]) -> tuple[list[str], set[str]]:
    """The versions that go, and the periods that stay."""
    rows = list(known.iter_rows())
    old = sorted(version for version, origin in rows if origin < before and version not in needed)
    return old, {origin for version, origin in rows if version not in old}


def _delete(uri: str, column: str, values: list[str]) -> None:
    """Delete whole partitions in one commit, and the files that no reader can need any more."""
    from deltalake.exceptions import DeltaError

    table = open_table(uri)
    _, properties = own_commit({"expired": str(len(values))})
    try:
        if values:
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
            table.delete(f"{column} IN ({listed})", commit_properties=properties)
        table.vacuum(int(_READERS / timedelta(hours=1)), dry_run=False)
    except (DeltaError, OSError) as error:
        raise TransientError(f"{uri}: old periods could not be deleted: {describe(error)}; it is tried again") from None
