"""Run once by `postgres-init` of docker-compose.yaml, as the superuser: a database and a user for each that needs one.

Harmless when it has run before. A volume from the time when one user owned everything is brought to the same: each
database gets its owner, and so does all that is in it. Passwords come by the environment and are set each time, so that
a changed one in `.env` is the one that counts.

| user | owns | may also |
|---|---|---|
| airflow, mlflow, celery | the database of its name | nothing |
| journal | the database `almanac` | nothing |
| maintenance | nothing | read every database, write the journal, make scratch ones for drills, delete Airflow's rows |
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import URL, make_url

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class

# Database by owner.
OWNED = {"airflow": "airflow", "mlflow": "mlflow", "journal": "almanac", "celery": "celery"}
MAINTENANCE = "maintenance"
# It reads them with `pg_read_all_data`; who uses Celery's results is the scheduler and the workers.
READ_BY_MAINTENANCE = ("airflow", "mlflow", "almanac")

# What `airflow db clean` needs (the DAG `cleanup`): it copies what it deletes into a table of its own, which it drops.
_CLEANUP = (
    "GRANT CREATE ON SCHEMA public TO maintenance",
    "GRANT DELETE ON ALL TABLES IN SCHEMA public TO maintenance",
    "ALTER DEFAULT PRIVILEGES FOR ROLE airflow IN SCHEMA public GRANT DELETE ON TABLES TO maintenance",
)

WAY_OUT = (
    "Names and titles hold characters that another encoding refuses, and the dag-processor dies of the first. Make the"
    " cluster again with `initdb --encoding=UTF8` (the official image does), or that database with CREATE DATABASE ..."
    " ENCODING 'UTF8' TEMPLATE template0, and load a dump of the old one"
)

# Whatever belongs to somebody else and neither to an extension nor, as a sequence of its column, to a table.
_STRANGERS = """
SELECT format('ALTER %%s %%s OWNER TO %%I', kind, name, %(owner)s) FROM (
  SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
         ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relowner AS owner, c.relnamespace AS schema,
         'pg_class'::regclass AS class, c.oid AS oid
    FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
  UNION ALL
  SELECT 'TYPE', t.oid::regtype::text, t.typowner, t.typnamespace, 'pg_type'::regclass, t.oid
    FROM pg_type t WHERE t.typtype IN ('e', 'd')
  UNION ALL
  SELECT 'ROUTINE', p.oid::regprocedure::text, p.proowner, p.pronamespace, 'pg_proc'::regclass, p.oid FROM pg_proc p
  UNION ALL
  SELECT 'SCHEMA', quote_ident(n.nspname), n.nspowner, n.oid, 'pg_namespace'::regclass, n.oid
    FROM pg_namespace n WHERE n.nspname <> 'public'
) found JOIN pg_namespace n ON n.oid = found.schema
WHERE n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND found.owner <> (SELECT oid FROM pg_roles WHERE rolname = %(owner)s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = found.class AND d.objid = found.oid
                  AND (d.deptype = 'e' OR found.kind = 'SEQUENCE' AND d.deptype IN ('a', 'i')))
"""


def ensure_databases(server: URL, passwords: Mapping[str, str]) -> None:
    """Bring users, databases and their owners to what the table above says.

    Args:
        server: where the superuser enters; any database of it.
        passwords: by user.

    Raises:
        SystemExit: a database is not in UTF-8; it says what to do.
    """
    with _entered(server) as cursor:
        if problem := wrong_encodings(cursor):
            sys.exit(f"postgres-init: {problem}")
        for user in (*OWNED, MAINTENANCE):
            _ensure_user(cursor, user, passwords[user])
        cursor.execute("ALTER ROLE maintenance CREATEDB")
        cursor.execute("GRANT pg_read_all_data, journal TO maintenance")
        for owner, name in OWNED.items():
            _ensure_database(cursor, name, owner)
        _execute(cursor, "REVOKE CONNECT ON DATABASE {} FROM PUBLIC", "postgres")
        for name in READ_BY_MAINTENANCE:
            _execute(cursor, "GRANT CONNECT ON DATABASE {} TO {}", name, MAINTENANCE)
    with _entered(server.set(database="airflow")) as cursor:
        for statement in _CLEANUP:
            cursor.execute(statement)
    for owner, name in OWNED.items():
        with _entered(server.set(database=name)) as cursor:
            cursor.execute(_STRANGERS, {"owner": owner})
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)


def wrong_encodings(cursor: "Cursor") -> str:
    """Which of our databases are not in UTF-8, in words; empty: all are, or are not there yet."""
    cursor.execute(
        "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database"
        " WHERE datname = ANY(%s) AND pg_encoding_to_char(encoding) <> 'UTF8' ORDER BY 1",
        (list(OWNED.values()),),
    )
    found = ", ".join(f"{name} is in {encoding}" for name, encoding in cursor.fetchall())
    return f"{found}; expected UTF8. {WAY_OUT}" if found else ""


def _ensure_user(cursor: "Cursor", name: str, password: str) -> None:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,))
    if cursor.rowcount == 0:
        _execute(cursor, "CREATE ROLE {}", name)
    statement = "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION PASSWORD %s"
    cursor.execute(sql.SQL(statement).format(sql.Identifier(name)), (password,))


def _ensure_database(cursor: "Cursor", name: str, owner: str) -> None:
    cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
    if cursor.rowcount == 0:
        # template1 would pass on whatever somebody has put there, its encoding too.
        _execute(cursor, "CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", name)
    _execute(cursor, "ALTER DATABASE {} OWNER TO {}", name, owner)
    _execute(cursor, "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", name)


def _execute(cursor: "Cursor", statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def _entered(url: URL) -> "Iterator[Cursor]":
    """A cursor that commits each statement: databases are not made within a transaction."""
    with closing(
        psycopg2.connect(
            host=url.host, port=url.port or 5432, user=url.username, password=url.password, dbname=url.database
        )
    ) as connection:
        connection.autocommit = True
        yield connection.cursor()


if __name__ == "__main__":
    ensure_databases(
        make_url(os.environ["ALMANAC_POSTGRES_URL"]),
        {user: os.environ[f"{user.upper()}_DATABASE_PASSWORD"] for user in (*OWNED, MAINTENANCE)},
    )
