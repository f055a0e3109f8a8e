"""Fetches the result of a SQL query, in the order of a watermark where one is declared."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, Select, TextClause, column, create_engine, or_, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from almanac.config.sections.sources import SqlSource, WatermarkColumn
from almanac.data.sources.csv_text import Record, to_csv
from almanac.data.sources.fetch import bookmark_name
from almanac.data.sources.port import Deadline, Fetched
from almanac.errors import ConfigError, TransientError

_CONNECT_S = 15
_BUFFERED_ROWS = 10_000
_FARTHEST_ZONE = timedelta(hours=14)  # local clocks are at most so far ahead of UTC

_Mark = datetime | date | int | Decimal | str
_READERS: Mapping[str, Callable[[str], _Mark]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "int": int,
    "Decimal": Decimal,
    "str": str,
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlReader:
    """A query as a source. The rows stream through a cursor on the server, where the database has such a thing.

    With a watermark, rows at or above it come again (another row may have the same value), and so do those within
    `overlap` below it, which other transactions may have made visible late, and those where it is null. Equal rows drop
    out when they are published.

    Args:
        source: what is declared.
        url: SQLAlchemy's address of the database, name and password included.
        clock: a mark is never kept ahead of it.
    """

    def __init__(self, source: SqlSource, url: URL, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._source = source
        self._url = url
        self._clock = clock

    @property
    def name(self) -> str:
        """The bookmark's name."""
        mark = self._source.watermark
        address = self._url.render_as_string(hide_password=True)
        return bookmark_name("sql", address, self._source.query, "" if mark is None else mark.column)

    def fetch(self, bookmark: str | None) -> Iterator[Fetched]:
        """Fetch in pieces of `rows_per_batch`; each carries the highest mark so far.

        Args:
            bookmark: the highest mark that has landed.

        Raises:
            ConfigError: the query, or the watermark's column, is wrong.
            TransientError: the database is unreachable, or slower than allowed.
        """
        where = f"connection {self._source.connection!r} ({self._url.render_as_string(hide_password=True)})"
        deadline = Deadline(self._source.max_duration)
        engine = _engine(self._url, where)
        try:
            with engine.connect() as connection:
                yield from self._pieces(connection, bookmark, deadline, where)
        except OperationalError as error:
            raise TransientError(
                f"{where}: {_driver_message(error)}. Check that the database is up and accepts the login."
            ) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise TransientError(f"{where}: {_driver_message(error)}. The connection was lost.") from error
            raise ConfigError(f"{where}: the query failed: {_driver_message(error)}. Check source.query.") from error
        except SQLAlchemyError as error:
            raise ConfigError(f"{where}: the query cannot be run: {error}. Check source.query.") from error
        finally:
            engine.dispose()

    def _pieces(
        self, connection: Connection, bookmark: str | None, deadline: Deadline, where: str
    ) -> Iterator[Fetched]:
        _make_careful(connection, deadline)
        kept = _decode(bookmark)
        streaming = {"stream_results": True, "max_row_buffer": min(self._source.rows_per_batch, _BUFFERED_ROWS)}
        result = connection.execute(_statement(self._source, kept), execution_options=streaming)
        watermark = self._source.watermark
        if watermark is not None and watermark.column not in result.keys():  # noqa: SIM118 - not a dict
            raise ConfigError(
                f"{where}: the query gives no column {watermark.column!r}; it gives {list(result.keys())}. Select it,"
                " or correct source.watermark.column."
            )
        for rows in result.mappings().partitions(self._source.rows_per_batch):
            deadline.check(where)
            records: list[Record] = [dict(row) for row in rows]
            if watermark is not None:
                kept = _highest(kept, [record[watermark.column] for record in records], where)
            content = to_csv(records, self._source.written)
            yield Fetched(content, len(records), None if kept is None else _encode(_not_ahead(kept, self._clock())))


def _engine(url: URL, where: str) -> Engine:
    options: dict[str, Any] = {"connect_timeout": _CONNECT_S} if url.get_backend_name() == "postgresql" else {}
    try:
        return create_engine(url, poolclass=NullPool, connect_args=options)
    except (NoSuchModuleError, ArgumentError, ImportError) as error:
        raise ConfigError(
            f"{where}: no database driver: {error}. Install the database's driver, and name it in the connection's"
            " extra"
            f' as {{"drivername": "dialect+driver"}}.'
        ) from error


def _make_careful(connection: Connection, deadline: Deadline) -> None:
    """Read only, and let the server itself give up: we look at the clock between pieces, but one may take for ever."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
        connection.exec_driver_sql(f"SET statement_timeout = {max(1, int(deadline.left_s() * 1000))}")


def _statement(source: SqlSource, kept: _Mark | None) -> Select[Any] | TextClause:
    query = text(source.query.strip().rstrip(";").replace(":", r"\:"))  # a colon in it is no parameter of ours
    if source.watermark is None:
        return query
    inner = query.columns(column(source.watermark.column)).subquery("source")
    mark = inner.c[source.watermark.column]
    rows = select(text("*")).select_from(inner).order_by(mark)
    return rows if kept is None else rows.where(or_(mark >= _since(kept, source.watermark), mark.is_(None)))


def _since(kept: _Mark, watermark: WatermarkColumn) -> _Mark:
    overlap = watermark.overlap
    if not overlap:
        return kept
    if isinstance(kept, date) and isinstance(overlap, timedelta):  # a datetime is a date
        return kept - overlap
    if isinstance(kept, int | Decimal) and isinstance(overlap, int):
        return kept - overlap
    raise ConfigError(
        f"source.watermark.overlap: does not fit the column {watermark.column!r}; got {overlap} for values such as"
        f" {kept!r}, expected a duration for times, a number for numbers, and none for texts"
    )


def _highest(kept: _Mark | None, values: list[Any], where: str) -> _Mark | None:
    given = [value for value in values if value is not None]
    if given and type(given[0]).__name__ not in _READERS:
        raise ConfigError(
            f"{where}: source.watermark.column cannot be ordered; got {given[0]!r}, expected times, numbers or texts"
        )
    try:
        return max([*given] if kept is None else [kept, *given], default=None)
    except TypeError as error:
        raise ConfigError(
            f"{where}: the type of the watermark's values changed: {error}. Cast the column in source.query."
        ) from error


def _not_ahead(mark: _Mark, now: datetime) -> _Mark:
    """A mark that is not later than now: one row of the year 9999 would otherwise hide all that come after it."""
    if isinstance(mark, datetime):
        return min(mark, now if mark.tzinfo else now.replace(tzinfo=None) + _FARTHEST_ZONE)
    if isinstance(mark, date):
        return min(mark, (now + _FARTHEST_ZONE).date())
    return mark


def _encode(mark: _Mark) -> str:
    written = mark.isoformat() if isinstance(mark, date) else str(mark)
    return json.dumps({"type": type(mark).__name__, "value": written})


def _decode(bookmark: str | None) -> _Mark | None:
    if bookmark is None:
        return None
    kept = json.loads(bookmark)
    return _READERS[kept["type"]](kept["value"])


def _driver_message(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())
