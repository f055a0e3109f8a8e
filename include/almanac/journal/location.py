"""The URL of the journal, with the credentials of its connection."""

from sqlalchemy.engine import URL, make_url

from almanac.config.connection import Connection, find_connection
from almanac.extras import extra

CONNECTION = "almanac_journal"


def with_login(url: str) -> URL:
    """The journal's URL, completed by the connection `almanac_journal` if there is one; SQLite needs none.

    Raises:
        ConfigError: the connection cannot be read, or the driver is not installed.
    """
    named = make_url(url)
    if named.get_backend_name() == "postgresql":
        with extra("postgres", "a journal on PostgreSQL"):
            named.get_dialect().import_dbapi()
    found = None if named.get_backend_name() == "sqlite" else find_connection(CONNECTION)
    return named if found is None else completed(named, found)


def completed(url: URL, connection: Connection) -> URL:
    """The URL; user and password, host, port and database that it omits are taken from the connection."""
    names_nobody = url.username is None
    return url.set(
        username=connection.login if names_nobody else None,
        password=connection.password if names_nobody else None,
        host=url.host or connection.host,
        port=url.port or connection.port,
        database=url.database or connection.database,
    )
