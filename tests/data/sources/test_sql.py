"""A query to a real PostgreSQL: what is new is fetched, late rows too, and a death in between loses nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url

from almanac.config.schema import Model
from almanac.config.sections.sources import SqlSource
from almanac.data.sources.fetch import FetchSummary, fetch
from almanac.data.sources.sql import SqlReader
from almanac.errors import ConfigError, TransientError
from tests.data.installation import NOW, RUN, START, KilledError, Site, tiny_dataset

QUERY = 'SELECT ts AS "Time", x, kind, seen FROM measured'
WATERMARK = {"column": "seen", "overlap": "1h"}
DEFAULTS: dict[str, Any] = {"settle": "0s", "poll": "2s", "sweep": "@daily", "max_size_mb": 1}


def declare(**changes: Any) -> SqlSource:
    values = {"kind": "sql", "connection": "measures", "query": QUERY, "watermark": WATERMARK}
    return SqlSource.model_validate({**DEFAULTS, **values, **changes})


def add(engine: Engine, hours: range, *, seen: datetime, x: float = 1.5) -> None:
    with engine.begin() as connection:
        for hour in hours:
            connection.exec_driver_sql(
                "INSERT INTO measured (ts, x, kind, seen) VALUES (%s, %s, 'a', %s)",
                (START + timedelta(hours=hour), x, seen + timedelta(seconds=hour)),
            )


def take(site: Site, database: URL, source: SqlSource, **more: Any) -> FetchSummary:
    reader = SqlReader(source, database, clock=lambda: NOW)
    return fetch(of(site, source), reader, site.home, site.journal, RUN, clock=lambda: NOW, **more)


def of(site: Site, source: SqlSource) -> Model:
    ignored = site.model.dataset.model_copy(update={"ignored_columns": ("seen", "id")})
    site.model = site.model.model_copy(update={"source": source, "dataset": ignored})
    return site.model


def hours(site: Site) -> list[int]:
    return [int((time - START).total_seconds() // 3600) for time in site.dataset.read()["Time"]]


def test_fetch_sql_first_lands_everything_and_is_published(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(5), seen=START)
    summary = take(site, database, declare())
    assert (len(summary.landed), summary.rows) == (1, 5)
    assert site.ingest().published_rows == 5
    (record,) = site.journal.batches("weather")
    assert record.warnings == ()


def test_fetch_sql_again_gives_what_is_new(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(5), seen=START)
    take(site, database, declare())
    site.ingest()
    add(engine, range(5, 8), seen=START + timedelta(days=1))
    summary = take(site, database, declare())
    assert summary.rows == 8  # the overlap reaches back to the first rows
    ingested = site.ingest()
    assert (ingested.published_rows, ingested.dropped_rows) == (3, 5)
    assert take(site, database, declare()).rows == 3
    assert site.ingest().published_rows == 0
    assert take(site, database, declare()) == FetchSummary((), 1, 0)
    assert hours(site) == list(range(8))


def test_fetch_sql_row_that_became_visible_late_is_within_the_overlap(
    site: Site, engine: Engine, database: URL
) -> None:
    add(engine, range(5), seen=START + timedelta(hours=1))
    take(site, database, declare())
    add(engine, range(5, 6), seen=START + timedelta(minutes=30))  # written earlier, committed later
    take(site, database, declare())
    site.ingest()
    assert hours(site) == list(range(6))


def test_fetch_sql_changed_row_replaces_in_the_order_of_the_fetches(site: Site, engine: Engine, database: URL) -> None:
    """Several fetches wait for one ingest: what was fetched last must win, whatever the hashes are."""
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(corrections="replace")})
    add(engine, range(1), seen=START)
    for minute in range(1, 6):
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE measured SET x = %s, seen = seen + interval '1 minute'", (minute,))
        reader = SqlReader(declare(), database, clock=lambda: NOW)
        at = NOW + timedelta(minutes=minute)
        fetch(of(site, declare()), reader, site.home, site.journal, RUN, clock=lambda at=at: at)  # type: ignore[misc]
    site.ingest()
    assert site.dataset.read(columns=["x"])["x"].to_list() == [5.0]


def test_fetch_sql_row_without_watermark_is_never_left_out(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(5), seen=START)
    take(site, database, declare())
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO measured (ts, x) VALUES (%s, 2)", (START + timedelta(hours=9),))
    take(site, database, declare())
    site.ingest()
    assert hours(site) == [0, 1, 2, 3, 4, 9]


def test_fetch_sql_watermark_in_the_future_hides_nothing(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(1), seen=datetime(9999, 1, 1, tzinfo=UTC))
    take(site, database, declare())
    add(engine, range(1, 3), seen=NOW)
    take(site, database, declare())
    site.ingest()
    assert hours(site) == [0, 1, 2]


@pytest.mark.parametrize("step", ["landed", "bookmarked"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_fetch_sql_killed_between_loses_and_doubles_nothing(
    site: Site, engine: Engine, database: URL, step: str, after: int
) -> None:
    add(engine, range(10), seen=START)
    source = declare(rows_per_batch=4, watermark={"column": "seen"})
    reached: list[str] = []

    def on_step(name: str) -> None:
        reached.append(name)
        if reached.count(step) == after:
            raise KilledError(step)

    with pytest.raises(KilledError):
        take(site, database, source, on_step=on_step)
    site.ingest()
    take(site, database, source)
    site.ingest()
    assert hours(site) == list(range(10))
    assert site.quarantined().is_empty()


def test_fetch_sql_integer_watermark_with_overlap(site: Site, engine: Engine, database: URL) -> None:
    source = declare(query=QUERY.replace("seen", "id"), watermark={"column": "id", "overlap": 2})
    add(engine, range(5), seen=START)
    assert take(site, database, source).rows == 5
    add(engine, range(5, 6), seen=START)
    assert take(site, database, source).rows == 4  # 3, 4, 5 and the new 6
    site.ingest()
    assert hours(site) == list(range(6))


def test_fetch_sql_without_watermark_reads_all(site: Site, engine: Engine, database: URL) -> None:
    source = declare(watermark=None, query=QUERY + " WHERE kind <> ':x' AND ts::text LIKE '20%' ORDER BY ts;")
    add(engine, range(3), seen=START)
    assert take(site, database, source).rows == 3
    assert take(site, database, source) == FetchSummary((), 1, 0)
    assert site.journal.watermark("weather", SqlReader(source, database).name) is None


def test_fetch_sql_other_query_starts_again(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(3), seen=START)
    take(site, database, declare(watermark={"column": "seen"}))
    other = declare(query=QUERY + " WHERE x > 0", watermark={"column": "seen"})
    assert take(site, database, other) == FetchSummary((), 1, 0)  # all three rows, the same bytes


def test_fetch_sql_streams_from_a_cursor_on_the_server(site: Site, engine: Engine, database: URL) -> None:
    source = declare(query="SELECT generate_series(1, 100000000) AS id", watermark=None, rows_per_batch=10)
    pieces: Iterator[Any] = SqlReader(source, database).fetch(None)
    assert next(pieces).content.startswith(b"id\r\n1\r\n2\r\n")  # long before the hundred millionth row
    pieces.close()  # type: ignore[attr-defined]


def test_fetch_sql_writes_are_refused(site: Site, engine: Engine, database: URL) -> None:
    source = declare(query="SELECT setval('measured_id_seq', 5)", watermark=None)
    with pytest.raises(ConfigError, match="read-only transaction"):
        take(site, database, source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": "SELECT nothing FROM measured"}, r"query failed: column \"nothing\" does not exist.*source\.query"),
        ({"query": 'SELECT ts AS "Time" FROM measured'}, "column source.seen does not exist"),
        ({"watermark": {"column": "x"}}, r"cannot be ordered; got 1\.5, expected times, numbers or texts"),
    ],
)
def test_fetch_sql_wrong_query_says_what_to_mend(
    site: Site, engine: Engine, database: URL, changes: dict[str, Any], message: str
) -> None:
    add(engine, range(1), seen=START)
    with pytest.raises(ConfigError, match=message):
        take(site, database, declare(**changes))


@pytest.mark.parametrize(("column", "overlap"), [("kind", "1h"), ("seen", 3)])
def test_fetch_sql_overlap_of_another_kind_is_refused(
    site: Site, engine: Engine, database: URL, column: str, overlap: object
) -> None:
    add(engine, range(1), seen=START)
    source = declare(watermark={"column": column, "overlap": overlap})
    take(site, database, source)
    with pytest.raises(ConfigError, match=r"source\.watermark\.overlap: does not fit the column"):
        take(site, database, source)


def test_fetch_sql_too_slow_is_given_up_by_the_server(site: Site, engine: Engine, database: URL) -> None:
    source = declare(query="SELECT pg_sleep(60)", watermark=None, max_duration="1s")
    with pytest.raises(TransientError, match="canceling statement due to statement timeout"):
        take(site, database, source)


def test_fetch_sql_database_away_is_transient_and_hides_the_password(site: Site) -> None:
    with pytest.raises(TransientError, match="Check that the database is up") as caught:
        take(site, make_url("postgresql+psycopg2://reader:s3cret@127.0.0.1:1/postgres"), declare())
    assert "s3cret" not in str(caught.value)


def test_fetch_sql_without_driver_says_what_to_install(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"no database driver.*drivername"):
        take(site, make_url("nosuchbase://reader@127.0.0.1/x"), declare())


def test_fetch_sql_kind_of_watermark_changed_is_refused(site: Site, engine: Engine, database: URL) -> None:
    add(engine, range(1), seen=START)
    source = declare(
        query='SELECT ts AS "Time", x, kind, seen::text AS seen FROM measured', watermark={"column": "seen"}
    )
    take(site, database, source)
    reader = SqlReader(source, database)
    with pytest.raises(ConfigError, match=r"the query failed|the type of the watermark's values changed"):
        list(reader.fetch('{"type": "int", "value": "3"}'))


def test_fetch_sql_from_sqlite(site: Site) -> None:
    """Any URL of SQLAlchemy: here a file."""
    from sqlalchemy import create_engine

    url = make_url(f"sqlite:///{site.home.home}/other.db")
    other = create_engine(url)
    with other.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE measured (id integer primary key, Time text, x real, kind text)")
        connection.exec_driver_sql("INSERT INTO measured VALUES (1, '2021-01-01T00:00:00Z', 0.1, 'a')")
    other.dispose()
    source = declare(query="SELECT * FROM measured", watermark={"column": "id"})
    assert take(site, url, source).rows == 1
    assert site.ingest().published_rows == 1
