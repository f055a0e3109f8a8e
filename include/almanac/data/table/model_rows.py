"""What a model's features are built from: its dataset, and those that it joins, each at one version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.joins import Join
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.table_guard import TableGuard
from almanac.errors import DataError
from almanac.features.as_of import join_as_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ModelRows:
    """Rows of a model's dataset with the columns of its joins. The one way in which features get their frame.

    Attributes:
        model: declares dataset and joins.
        home: where the datasets are.
        version: of its own dataset.
        joined: model whose dataset is joined -> version of that.

    Raises:
        DataError: there is no such dataset or version.
        TransientError: a store is unreachable.
    """

    model: Model
    home: Home
    version: int
    joined: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def newest(cls, home: Home, model: Model, *, version: int | None = None) -> "ModelRows":
        """The newest versions; `version` in place of the newest one of its own dataset."""
        own = DatasetTable.of(home, model).version() if version is None else version
        others = dict.fromkeys(join.model for join in model.joins.values())
        return cls(model, home, own, {name: dataset_joined(home, name).version() for name in others})

    def read(
        self,
        *,
        columns: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> "pl.DataFrame":
        """Rows of `[since, until)`, ordered by event time; without `columns` all of them, those of joins too."""
        model, added = self.model, self.model.joined
        wanted = [*model.dataset.columns, *added] if columns is None else list(columns)
        needed = (each for join in _joins(model, wanted).values() for each in (model.dataset.time, *join.on))
        own = list(dict.fromkeys([*(each for each in wanted if each not in added), *needed]))
        frame = DatasetTable.of(self.home, model).read(version=self.version, columns=own, since=since, until=until)
        return self.joined_to(frame, wanted, since=since, until=until)

    def joined_to(
        self, frame: "pl.DataFrame", columns: Sequence[str], *, since: datetime | None, until: datetime | None
    ) -> "pl.DataFrame":
        """Add to rows of `[since, until)` the columns of joins among `columns`; those are what is returned."""
        model = self.model
        for name, join in _joins(model, columns).items():
            frame = join_as_of(frame, model.dataset.time, name, join, self._other(name, join, since, until))
        return frame.select(columns)

    def _other(self, name: str, join: Join, since: datetime | None, until: datetime | None) -> "pl.DataFrame":
        if join.model not in self.joined:
            raise DataError(
                f"{self.model.name}: joins.{name}: no version of the dataset of {join.model} was recorded; got "
                f"{dict(self.joined)}. It was declared after this version was trained: train again"
            )
        columns = list(dict.fromkeys([join.time, *join.on.values(), *join.columns]))
        return dataset_joined(self.home, join.model, time=join.time).read(
            version=self.joined[join.model],
            columns=columns,
            since=None if since is None else since - join.tolerance,
            until=until,
        )


def dataset_joined(home: Home, name: str, *, time: str = "") -> DatasetTable:
    """The dataset of another model, to read from: by its place alone, whatever its declaration says today."""
    guard = TableGuard.of(home, "dataset", name)
    return DatasetTable(home.dataset_of(name), time_column=time, columns={}, guard=guard)


def _joins(model: Model, columns: Sequence[str]) -> dict[str, Join]:
    """The joins of which some of the columns are."""
    return {name: join for name, join in model.joins.items() if any(_is_of(name, each) for each in columns)}


def _is_of(join: str, column: str) -> bool:
    return column.startswith(f"{join}.")
