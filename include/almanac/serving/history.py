"""The rows that the features of a request look back to: the newest part of the dataset, kept in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.features import RollingFeature
from almanac.config.sections.own_features import OwnFeatures
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.features.features import feature_columns, history_needed

if TYPE_CHECKING:
    import polars as pl

_MICROSECOND = timedelta(microseconds=1)
# Requests for older rows than these read their history from the table.
_KEPT = 2


@dataclass(frozen=True, eq=False)
class History:
    """One version of the dataset, as far back as features of new rows look.

    Attributes:
        rows: the dataset and its joins, each at one version.
        frame: the dataset's own columns that features read, from `since` on.
        since: from when on all rows are in `frame`.
        newest: event time of the newest row; None: there is none.
    """

    rows: ModelRows
    frame: "pl.DataFrame"
    since: datetime | None
    newest: datetime | None

    @classmethod
    def read(cls, home: Home, model: Model) -> "History":
        """Read it from the newest version.

        Raises:
            DataError: there is no dataset.
            TransientError: a store is unreachable.
        """
        rows = ModelRows.newest(home, model)
        bounds = DatasetTable.of(home, model).time_range(rows.version)
        newest = None if bounds is None else bounds[1]
        since = None if newest is None else newest - _KEPT * history_needed(model)
        return cls(rows, rows.read(columns=own_columns(model), since=since), since, newest)

    @staticmethod
    def version_of(home: Home, model: Model) -> tuple[int, dict[str, int]]:
        """The newest versions of the dataset and of those that it joins; reads no row."""
        rows = ModelRows.newest(home, model)
        return rows.version, dict(rows.joined)

    def frame_for(self, asked: "pl.DataFrame") -> "pl.DataFrame":
        """The rows of a request with those that their features look back to; of one key, the request's row counts.

        Args:
            asked: the own columns that features read, [n]; each key once.

        Returns:
            The columns of `feature_columns`; the request's rows are the last n, in their order.
        """
        import polars as pl

        model = self.rows.model
        time, columns = model.dataset.time, feature_columns(model)
        times = asked[time].sort()
        since, until = times[0] - history_needed(model), times[-1] + _MICROSECOND
        whole = asked
        if history_needed(model):
            before = self._between(since, until)
            if same := _looked_back_by(model):
                before = before.join(asked.select(same).unique(), on=same, how="semi")
            key = list(dict.fromkeys((time, *model.dataset.key)))
            before = before.join(asked.select(key), on=key, how="anti")
            whole = pl.concat([before, asked])
        return self.rows.joined_to(whole, columns, since=since, until=until) if model.joins else whole.select(columns)

    def _between(self, since: datetime, until: datetime) -> "pl.DataFrame":
        import polars as pl

        time = self.rows.model.dataset.time
        if self.since is not None and since < self.since:
            return self.rows.read(columns=own_columns(self.rows.model), since=since, until=until)
        return self.frame.filter(pl.col(time) >= since, pl.col(time) < until)


def own_columns(model: Model) -> list[str]:
    """The columns that features and joins read, without those that joins add; a request gives these."""
    joined = (column for join in model.joins.values() for column in join.on)
    return [name for name in dict.fromkeys((*feature_columns(model), *joined)) if name in model.dataset.columns]


def looks_at_others(model: Model) -> bool:
    """Whether a row's features depend on anything but the row."""
    return bool(model.joins) or history_needed(model) > timedelta(0)


def _looked_back_by(model: Model) -> list[str]:
    """The key columns in which every row that a feature looks back to equals the row itself."""
    keys = {key for key in model.dataset.key if key != model.dataset.time}
    for feature in model.features:
        if isinstance(feature, OwnFeatures):
            return []  # what it looks at is its own affair
        if isinstance(feature, RollingFeature) and feature.per:
            keys &= set(feature.per)
    return sorted(keys)
