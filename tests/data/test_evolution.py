"""Columns that are declared later, and what a dataset says of itself."""

from pathlib import Path

import pytest

from almanac.config.schema import Model
from almanac.config.sections.dataset import Column
from almanac.data.table.card import describe_dataset
from almanac.data.table.maintenance import compact
from almanac.errors import ConfigError, DataError
from tests.data.installation import START, Site, tiny_csv, tiny_dataset

LATER = "Time,x,n,kind\n2021-02-01 00:00:00+00:00,3,7,a\n2021-02-01 01:00:00+00:00,3,,a\n"


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    """One batch: two good rows and a bad one."""
    site = Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset()}))
    site.land("a.csv", tiny_csv([(0, 1.5, "a"), (1, 2.5, "b"), (2, 99, "a")]))
    assert site.ingest().published_rows == 2
    return site


def _with(site: Site, **columns: Column) -> Site:
    """The same installation after its YAML has changed."""
    declared = {**site.model.dataset.columns, **columns}
    dataset = site.model.dataset.model_copy(update={"columns": declared})
    return Site(site.home.home, site.model.model_copy(update={"dataset": dataset}))


def test_ingest_nullable_column_declared_later_is_added_and_older_rows_hold_nothing(site: Site) -> None:
    grown = _with(site, n=Column(type="integer", nullable=True))
    grown.land("b.csv", LATER)
    assert grown.ingest().published_rows == 2
    assert grown.dataset.read()["n"].to_list() == [None, None, 7, None]
    assert grown.dataset.read(version=0).columns == ["Time", "x", "kind"]
    assert [c["operation"] for c in grown.dataset.snapshot().table.history()] == ["WRITE", "ADD COLUMN", "CREATE TABLE"]


def test_ingest_after_growth_still_knows_what_came_before(site: Site) -> None:
    grown = _with(site, n=Column(type="integer", nullable=True))
    same = "Time,x,n,kind\n2021-01-01 00:00:00+00:00,1.5,,a\n2021-01-05 00:00:00+00:00,1.5,,a\n"
    grown.land("again.csv", same)
    summary = grown.ingest()
    assert (summary.published_rows, summary.dropped_rows) == (1, 1)
    assert compact(grown.model, grown.home) == 1
    assert grown.dataset.count() == 3


@pytest.mark.parametrize(
    "columns",
    [{"n": Column(type="integer")}, {"x": Column(type="integer")}, {"x": Column(type="string", nullable=True)}],
)
def test_ingest_other_change_of_columns_is_refused_and_the_file_stays(site: Site, columns: dict[str, Column]) -> None:
    changed = _with(site, **columns)
    changed.land("b.csv", LATER)
    with pytest.raises(ConfigError, match=r"dataset.columns do not fit the table.*needs `nullable: true`"):
        changed.ingest()
    assert (changed.landing / "b.csv").exists()
    assert changed.dataset.version() == 0


def test_dataset_table_says_where_it_comes_from_without_almanac(site: Site) -> None:
    from deltalake import DeltaTable

    about = DeltaTable(site.dataset.uri).metadata()
    assert about.name == "weather"
    assert about.description == "Rows of Rain at the port.\nOrigin: made up\nOwner: port-forecast\nLicence: none needed"


def test_card_reports_schema_and_statistics_of_a_version(site: Site) -> None:
    grown = _with(site, n=Column(type="integer", nullable=True, unit="pcs"))
    grown.land("b.csv", LATER)
    grown.ingest()
    card = describe_dataset(grown.model, grown.home)
    assert (card.version, card.parent_version, card.rows, card.files) == (2, 1, 4, 2)
    assert (card.origin, card.owner, card.licence) == ("made up", "port-forecast", "none needed")
    by_name = {one.name: one for one in card.columns}
    assert list(by_name) == ["Time", "x", "kind", "n"]
    assert (by_name["x"].smallest, by_name["x"].largest, by_name["x"].nulls) == (1.5, 3.0, 0)
    assert (by_name["n"].nulls, by_name["n"].largest, by_name["n"].unit) == (3, 7, "pcs")
    assert by_name["Time"].smallest == START
    assert describe_dataset(grown.model, grown.home, 0).parent_version is None
    with pytest.raises(DataError, match="no version 9"):
        describe_dataset(grown.model, grown.home, 9)
