"""A version of a forecast: which result each grain has, and which grains are set aside and why."""

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import ConcurrentCommitError, collect, commit, open_table, scan_table
from almanac.errors import DataError, TransientError
from almanac.forecast.plan import Plan
from almanac.forecast.results import GRAIN, KEY, ORIGIN, ResultTable

if TYPE_CHECKING:
    import polars as pl

VERSION, REASONS = "version", "set_aside"
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


def version_of(plan: Plan) -> str:
    """The name of a version: the day of its newest rows, and a hash of all its results and of what is set aside."""
    parts = [*(f"{grain}={key}" for grain, key in plan.keys.items()), *plan.aside]
    digest = sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return f"{plan.origin[:10]}-{digest[:8]}"


def collect_version(model: ForecastModel, home: Home, plan: Plan) -> str:
    """Record the version that a plan has become, once, and give its name.

    Raises:
        TransientError: a grain has no result yet, or another version was committed at this moment.
    """
    known = ResultTable.of(home, model).keys(plan.origin)
    if lost := sorted(grain for grain, key in plan.keys.items() if key not in known):
        raise TransientError(
            f"{model.name}: {len(lost)} of {len(plan.keys)} grains have no result, such as {lost[0]}; expected all of"
            " them. Run the DAG again: only these are computed"
        )
    version = version_of(plan)
    table = VersionTable.of(home, model)
    try:
        table.add(version, _rows(version, plan))
    except ConcurrentCommitError:
        table.add(version, _rows(version, plan))
    return version


def results_of(model: ForecastModel, home: Home, version: str) -> "pl.DataFrame":
    """The results of a version, sorted by grain.

    Raises:
        DataError: there is no such version, or it has lost results.
    """
    import polars as pl

    rows = VersionTable.of(home, model).read(version).filter(pl.col(KEY).is_not_null())
    found = ResultTable.of(home, model).read(rows[ORIGIN][0], rows[KEY].to_list())
    if len(found) != len(rows):
        raise DataError(
            f"{model.name}: version {version} has {len(rows)} results, but {len(found)} are there; a table of results"
            " was deleted or damaged. Run the DAG again: what is missing is computed again"
        )
    return found


def set_aside(model: ForecastModel, home: Home, version: str) -> dict[str, str]:
    """The grains of a version that have no forecast, and why.

    Raises:
        DataError: there is no such version.
    """
    import polars as pl

    rows = VersionTable.of(home, model).read(version).filter(pl.col(REASONS).is_not_null())
    return dict(rows.select(GRAIN, REASONS).iter_rows())


def _rows(version: str, plan: Plan) -> "pl.DataFrame":
    import polars as pl

    grains = sorted((*plan.keys, *plan.aside))
    return pl.DataFrame(
        {
            VERSION: [version] * len(grains),
            GRAIN: grains,
            KEY: [plan.keys.get(grain) for grain in grains],
            REASONS: [plan.aside.get(grain) for grain in grains],
            ORIGIN: [plan.origin] * len(grains),
            "dataset_version": [plan.dataset_version] * len(grains),
        },
        schema_overrides={KEY: pl.String, REASONS: pl.String, "dataset_version": pl.Int64},
    )
