"""Run by Alembic for each command: migrates on the connection, and in the transaction, of the caller."""

from alembic import context

from almanac.journal import tables
from almanac.journal.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # of SQLite, too: the caller has begun the transaction
)
context.run_migrations()
