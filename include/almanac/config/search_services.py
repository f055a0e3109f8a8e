"""Azure AI Search: the services whose quotas, indexes and indexers are watched. No key and no address stand here."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from almanac.config.grammar.section import Section, Share
from almanac.config.grammar.ticks import check_day_time, is_within
from almanac.config.grammar.types import Cron, Duration, Slug
from almanac.config.sections.triggers import Zone

# What the service itself allows as the name of an index or indexer.
AzureName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,126}[a-z0-9]$")]
# The figures of a service are kept under it, in a column of 100 characters.
ServiceName = Annotated[Slug, Field(max_length=60)]


class SearchIndexer(Section):
    """One indexer: what brings rows of the source into an index."""

    start: bool = Field(
        False,
        description="Start it after each new version of the index's dataset. false: it is only watched, because it has"
        " a schedule of its own in Azure.",
    )
    not_between: Annotated[str, AfterValidator(check_day_time)] | None = Field(
        None, description="It is not started in these hours: '07:00-19:00'."
    )
    timezone: Zone = Field("UTC", description="The clock that the hours are of.")
    max_age: Duration | None = Field(None, description="An older last success causes an alert; unset: none does.")

    def may_start(self, now: datetime) -> bool:
        """Whether `now`, aware, is outside the hours in which it must not start."""
        return self.not_between is None or not is_within(self.not_between, self.timezone, now)


class SearchIndex(Section):
    """One index, and the dataset whose rows it holds as documents."""

    dataset: Slug | None = Field(None, description="The model whose dataset it holds: one document for each row.")
    patience: Duration = Field(
        timedelta(hours=2),
        description="How long after a new dataset version the documents may differ: indexers take their time, and the"
        " service counts every few minutes.",
    )
    tolerance: Share = Field(0.0, description="The share of the rows by which the documents may differ for ever.")
    fields: dict[Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(max_length=128)]] = Field(
        default_factory=dict,
        description="Its fields and their types, such as `Edm.String`; unset: they are not checked.",
    )
    indexers: dict[AzureName, SearchIndexer] = Field(
        default_factory=dict, description="What fills it, in the order in which they are started: one at a time."
    )

    @model_validator(mode="after")
    def _what_starts_has_a_dataset(self) -> Self:
        if self.dataset is None and (starting := sorted(name for name, one in self.indexers.items() if one.start)):
            raise ValueError(f"indexers: {starting} start after a new version of the dataset; name the dataset")
        return self


class SearchService(Section):
    """One search service."""

    connection: str = Field(
        description="The Airflow connection: its host is the address; its password is an API key, or it has none and"
        " the identity of this machine counts."
    )
    api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$")] = Field(
        "2026-04-01", description="Of the REST interface."
    )
    timeout: Duration = Field(timedelta(minutes=1), description="How long one look at everything may take.")
    quota_within: Duration = Field(
        timedelta(days=14), description="A quota that the trend reaches sooner causes an alert."
    )
    indexes: dict[AzureName, SearchIndex] = Field(default_factory=dict, description="The indexes that are watched.")

    @model_validator(mode="after")
    def _indexers_fill_one_index(self) -> Self:
        named = [name for index in self.indexes.values() for name in index.indexers]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"indexes: an indexer fills one index; got {twice} below several")
        return self


class SearchIndexes(Section):
    """The search services that the DAG `watch_search` looks at."""

    schedule: Cron = Field(
        "*/10 * * * *", description="When it looks, beside each event of a dataset. Off-peak starts wait for it, too."
    )
    services: dict[ServiceName, SearchService] = Field(
        default_factory=dict, description="By a name of your choice; none: there is no such DAG."
    )

    @property
    def datasets(self) -> tuple[str, ...]:
        """The models whose datasets fill an index; sorted."""
        found = (index.dataset for one in self.services.values() for index in one.indexes.values())
        return tuple(sorted({name for name in found if name}))
