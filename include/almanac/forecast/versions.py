"""A version of a forecast: which result each grain has, and which grains are set aside and why."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import ConcurrentCommitError, collect, commit, open_table, scan_table
from almanac.errors import DataError, TransientError
from almanac.forecast.hierarchy.coherent import Coherent, make_coherent
from almanac.forecast.plan import Plan
from almanac.forecast.results import GRAIN, KEY, ORIGIN, ResultTable

if TYPE_CHECKING:
    import polars as pl

VERSION, REASONS, HIERARCHY = "version", "set_aside", "hierarchy"
_COLLECTED = 1  # version of an application transaction


@dataclass(frozen=True)
class VersionTable:
    """The table at `uri`, partitioned by version; each version is one commit.

    Raises:
        TransientError: on every method, when the store is unreachable.
    """

    uri: str

    @classmethod
    def of(cls, home: Home, model: ForecastModel) -> "VersionTable":
        """Of a forecast."""
        return cls(home.forecast_versions_of(model.name))

    def add(self, version: str, rows: "pl.DataFrame") -> bool:
        """Commit a version, unless it is there; give whether it was not.

        Raises:
            ConcurrentCommitError: another version was committed at this moment.
        """
        table = open_table(self.uri)
        if table is not None and table.transaction_version(version) is not None:
            return False
        commit(
            self.uri,
            table,
            rows,
            batch_id=version,
            sequence=_COLLECTED,
            metadata={VERSION: version},
            partition_by=[VERSION],
            new_columns=True,
        )
        return True

    def read(self, version: str) -> "pl.DataFrame":
        """The grains of a version, sorted.

        Raises:
            DataError: there is no such version.
        """
        import polars as pl

        table = open_table(self.uri)
        if table is not None and table.transaction_version(version) is not None:
            return collect(scan_table(table).filter(pl.col(VERSION) == version), self.uri).sort(GRAIN)
        raise DataError(f"{self.uri}: no version {version!r} of this forecast; expected one that a run has collected")


def version_of(model: ForecastModel, plan: Plan) -> str:
    """The name of a version: the day of its newest rows, and a hash of all its results and of what is set aside.

    With a hierarchy, also of its declaration: what is published of a grain depends on it.
    """
    parts = [*(f"{grain}={key}" for grain, key in {**plan.keys, **plan.totals}.items()), *plan.aside]
    if (declared := _hierarchy(model)) is not None:
        parts.append(declared)
    digest = sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return f"{plan.origin[:10]}-{digest[:8]}"


def collect_version(model: ForecastModel, home: Home, plan: Plan) -> str:
    """Record the version that a plan has become, once, and give its name.

    Raises:
        TransientError: a grain has no result yet, or another version was committed at this moment.
    """
    known, wanted = ResultTable.of(home, model).keys(plan.origin), {**plan.keys, **plan.totals}
    if lost := sorted(grain for grain, key in wanted.items() if key not in known):
        raise TransientError(
            f"{model.name}: {len(lost)} of {len(wanted)} grains have no result, such as {lost[0]}; expected all of"
            " them. Run the DAG again: only these are computed"
        )
    version = version_of(model, plan)
    table = VersionTable.of(home, model)
    try:
        table.add(version, _rows(model, version, plan))
    except ConcurrentCommitError:
        table.add(version, _rows(model, version, plan))
    return version


def results_of(model: ForecastModel, home: Home, version: str) -> "pl.DataFrame":
    """The results of the grains of a version, sorted; with a hierarchy, as they agree with its totals.

    Raises:
        DataError: there is no such version, or it has lost results.
    """
    of_then, grains, totals = _own_results(model, home, version)
    found = make_coherent(of_then, grains, totals)
    return grains if found is None else found.grains


def coherent_of(model: ForecastModel, home: Home, version: str) -> Coherent | None:
    """The totals of a version, and how they came to agree with its grains; None: it has no hierarchy.

    Raises:
        DataError: there is no such version, or it has lost results.
    """
    return make_coherent(*_own_results(model, home, version))


def _own_results(model: ForecastModel, home: Home, version: str) -> "tuple[ForecastModel, pl.DataFrame, pl.DataFrame]":
    """The declaration with the hierarchy that the version was collected with; the results of grains, and of totals."""
    import polars as pl

    rows = VersionTable.of(home, model).read(version).filter(pl.col(KEY).is_not_null())
    found = ResultTable.of(home, model).read(rows[ORIGIN][0], rows[KEY].to_list())
    if len(found) != len(rows):
        raise DataError(
            f"{model.name}: version {version} has {len(rows)} results, but {len(found)} are there; a table of results"
            " was deleted or damaged. Run the DAG again: what is missing is computed again"
        )
    width = len(model.forecast.grain)
    above = pl.Series([len(json.loads(name)) < width for name in found[GRAIN]], dtype=pl.Boolean)
    return _of_then(model, rows), found.filter(~above), found.filter(above)


def _of_then(model: ForecastModel, rows: "pl.DataFrame") -> ForecastModel:
    text = rows[HIERARCHY][0] if HIERARCHY in rows.columns else None
    levels, method = json.loads(text) if text else ([], model.forecast.reconcile)
    forecast = model.forecast.model_copy(update={"hierarchy": tuple(map(tuple, levels)), "reconcile": method})
    return model.model_copy(update={"forecast": forecast})


def _hierarchy(model: ForecastModel) -> str | None:
    declared = model.forecast
    return json.dumps([declared.hierarchy, declared.reconcile]) if declared.hierarchy else None


def set_aside(model: ForecastModel, home: Home, version: str) -> dict[str, str]:
    """The grains of a version that have no forecast, and why.

    Raises:
        DataError: there is no such version.
    """
    import polars as pl

    rows = VersionTable.of(home, model).read(version).filter(pl.col(REASONS).is_not_null())
    return dict(rows.select(GRAIN, REASONS).iter_rows())


def _rows(model: ForecastModel, version: str, plan: Plan) -> "pl.DataFrame":
    import polars as pl

    keys = {**plan.keys, **plan.totals}
    grains = sorted((*keys, *plan.aside))
    return pl.DataFrame(
        {
            VERSION: [version] * len(grains),
            GRAIN: grains,
            KEY: [keys.get(grain) for grain in grains],
            REASONS: [plan.aside.get(grain) for grain in grains],
            HIERARCHY: [_hierarchy(model)] * len(grains),
            ORIGIN: [plan.origin] * len(grains),
            "dataset_version": [plan.dataset_version] * len(grains),
        },
        schema_overrides={KEY: pl.String, REASONS: pl.String, HIERARCHY: pl.String, "dataset_version": pl.Int64},
    )
