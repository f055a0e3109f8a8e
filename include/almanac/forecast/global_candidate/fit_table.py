"""The Delta table of the global candidate's fits, and which fit a plan uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.data.table.delta_table import ConcurrentCommitError, collect, commit, open_table, scan_table
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_ORIGIN, _FIT = "origin", "fit"
_FITTED = 1  # version of an application transaction


@dataclass(frozen=True)
class FitTable:
    """The table at `uri`, partitioned by the time of the newest rows; each fit is one commit.

    Columns: `origin`, `fit` (its name), `hidden` (steps that it does not see), `model` (the trees as text), `failure`
    (why there are none), `members` (grain -> hash of what it was fitted on, as JSON; in one row of each fit).

    Raises:
        TransientError: on every method, when the store is unreachable.
    """

    uri: str

    @classmethod
    def of(cls, home: Home, model: ForecastModel) -> "FitTable":
        """Of a forecast."""
        return cls(home.forecast_fits_of(model.name))

    def members(self, origin: str) -> dict[str, dict[str, str]]:
        """The fits of one period -> grain -> hash of what it was fitted on."""
        import polars as pl

        rows = self._rows(origin)
        if rows is None:
            return {}
        found = collect(rows.filter(pl.col("members") != "").select(_FIT, "members"), self.uri)
        return {name: json.loads(text) for name, text in found.iter_rows()}

    def read(self, origin: str, fit: str) -> tuple[dict[int, str], str]:
        """Hidden steps -> trees, and why there are none.

        Raises:
            DataError: there is no such fit.
        """
        import polars as pl

        rows = self._rows(origin)
        found = None if rows is None else collect(rows.filter(pl.col(_FIT) == fit), self.uri).sort("hidden")
        if found is None or not len(found):
            raise DataError(f"{self.uri}: no fit {fit!r} of {origin}; expected one. Run the DAG again: it is fitted")
        models = found.filter(pl.col("model") != "").select("hidden", "model")
        return dict(models.iter_rows()), found["failure"][0]

    def has(self, origin: str, fit: str) -> bool:
        """Whether a fit is there."""
        import polars as pl

        rows = self._rows(origin)
        return rows is not None and bool(collect(rows.filter(pl.col(_FIT) == fit).select(pl.len()), self.uri).item())

    def add(self, origin: str, fit: str, models: Mapping[int, str], failure: str, members: Mapping[str, str]) -> None:
        """Commit a fit; one that another task has committed meanwhile is the same."""
        import polars as pl

        table = open_table(self.uri)
        if self.has(origin, fit):
            return
        hidden = sorted(models) or [0]
        texts = [json.dumps(members, sort_keys=True, ensure_ascii=False), *[""] * (len(hidden) - 1)]
        rows = pl.DataFrame(
            {
                _ORIGIN: [origin] * len(hidden),
                _FIT: [fit] * len(hidden),
                "hidden": hidden,
                "model": [models.get(each, "") for each in hidden],
                "failure": [failure] * len(hidden),
                "members": texts,
            }
        )
        where: dict[str, Any] = {"batch_id": fit, "sequence": _FITTED, "metadata": {_FIT: fit}}
        try:
            commit(self.uri, table, rows, partition_by=[_ORIGIN], **where)
        except ConcurrentCommitError:
            self.add(origin, fit, models, failure, members)

    def _rows(self, origin: str) -> "pl.LazyFrame | None":
        import polars as pl

        table = open_table(self.uri)
        return None if table is None else scan_table(table).filter(pl.col(_ORIGIN) == origin)


def choose_fit(table: FitTable, origin: str, members: Mapping[str, str], share: float) -> str:
    """The fit of exactly these rows; else the one from which the fewest grains differ, if not more than a share does.

    Args:
        table: of the fits.
        origin: the period: a fit of another one is never used.
        members: grain -> hash of its rows, of the declaration and of the code.
        share: of the grains; a grain that has come or gone counts, too.
    """
    exact = sha256("\n".join(sorted(members.values())).encode()).hexdigest()[:40]
    known = {} if not share else table.members(origin)
    if exact in known or not known:
        return exact
    changed = {fit: len(_changed(members, other)) for fit, other in known.items()}
    nearest = min(changed, key=lambda fit: (changed[fit], fit))
    return nearest if changed[nearest] <= share * len(members) else exact


def _changed(ours: Mapping[str, str], theirs: Mapping[str, str]) -> set[str]:
    return {grain for grain in {*ours, *theirs} if ours.get(grain) != theirs.get(grain)}


def key_with_fit(key: str, fit: str) -> str:
    """The key of a grain's result that depends on a fit over all grains; without one, the grain's own."""
    return sha256(f"{key}\n{fit}".encode()).hexdigest()[:40] if fit else key
