"""The revision of the journal's tables: which one a database has, and which one this release works with."""

from typing import Any

from sqlalchemy import Column, MetaData, String, Table, insert, inspect, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from almanac.errors import JournalSchemaError
from almanac.journal import tables

# The newest file of `migrations/versions`. Opening a journal compares with this and imports no Alembic.
HEAD = "0011"
# Tables without a revision: made by 0.1, or between 0.1 and the first release with revisions.
UNVERSIONED = ""
VERSION_TABLE = "journal_revision"
_LOCK = "journal-schema"
# As Alembic makes it; a name of its own, because the database may hold Airflow's or MLflow's `alembic_version` as well.
_VERSIONS = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


def read_revision(connection: Any) -> str | None:
    """The revision of a database; `UNVERSIONED`: tables without one; None: it has none of the journal's tables."""
    found = inspect(connection)
    if found.has_table(VERSION_TABLE):
        return str(connection.execute(select(_VERSIONS.c.version_num)).scalar_one())
    return UNVERSIONED if tables.metadata.tables.keys() & set(found.get_table_names()) else None


def lock_schema(connection: Any) -> None:
    """Exclude other processes that create or change tables, until this transaction ends; waits for them."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": _LOCK})


def create_tables(connection: Any) -> None:
    """Create all tables in an empty database, at `HEAD`; equal to running every migration, and a test holds it so."""
    for table in (*tables.metadata.sorted_tables, _VERSIONS):
        connection.execute(CreateTable(table))
        for index in table.indexes:
            connection.execute(CreateIndex(index))
    connection.execute(insert(_VERSIONS).values(version_num=HEAD))


def check_revision(found: str, place: str) -> None:
    """Refuse a journal whose tables are not those of this release.

    Args:
        found: its revision.
        place: of the journal, without a password.

    Raises:
        JournalSchemaError: it is older, or newer; says what to do.
    """
    if found > HEAD:
        raise JournalSchemaError(
            f"journal {place}: its tables have revision {found}, expected {HEAD}: a newer release has upgraded it."
            " Nothing was read or written. Run that release or a newer one, or restore the snapshot that was taken"
            " before the upgrade; see docs/upgrading.md"
        )
    if found < HEAD:
        raise JournalSchemaError(
            f"journal {place}: its tables have {describe(found)}, expected revision {HEAD}. Nothing was read or"
            " written. Upgrade it: ./almanac journal upgrade; `up` and the service airflow-init do so, too"
        )


def describe(revision: str | None) -> str:
    """A revision for people."""
    return f"revision {revision}" if revision else "no revision (0.1)"
