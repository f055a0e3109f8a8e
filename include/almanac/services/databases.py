"""The SQLite files of Airflow and MLflow: made in WAL mode, migrated when the installed version asks for it."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.engine import make_url

from almanac.config.home import Home
from almanac.errors import PermanentError
from almanac.journal.damage import damaged, first_page_problem
from almanac.services.environment import airflow_database, mlflow_database
from almanac.services.supervision.supervision import log_file, services_folder


def create_databases(home: Home) -> None:
    """Make the files in WAL mode, which a file keeps: readers do not wait for the writer, nor the writer for them.

    Raises:
        DamagedDatabaseError: one that is there is damaged: the services would create it again, or fail.
    """
    for name, path in database_files(home).items():
        if problem := first_page_problem(path):
            raise damaged(name, path, problem)
    for path in (airflow_database(home), mlflow_database(home)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        path.chmod(0o600)  # sqlite applies the caller's umask; its -wal and -shm take the mode of the file


def database_files(home: Home) -> dict[str, Path]:
    """The SQLite files of a home, by the names of their snapshots; databases of servers are not among them."""
    urls = {"journal": home.journal_url, "mlflow": home.mlflow_database_url, "airflow": home.airflow_database_url}
    parsed = {name: make_url(url) for name, url in urls.items()}
    found = {
        name: Path(url.database) for name, url in parsed.items() if url.get_backend_name() == "sqlite" and url.database
    }
    logins = home.home / "mlflow_auth.db"
    return found | ({"mlflow_auth": logins} if logins.exists() else {})


def migrate_airflow(home: Home, environment: Mapping[str, str], before: Callable[[], None] = lambda: None) -> None:
    """Bring Airflow's database to the installed version; costs nothing when it is there already.

    Args:
        home: whose database.
        environment: of `airflow db migrate`.
        before: called before one that exists is changed: it takes snapshots. When it fails, nothing is changed.

    Raises:
        PermanentError: the migration failed.
    """
    stamp = services_folder(home) / "airflow_database.json"
    installed = version("apache-airflow")
    if _is_current(stamp, installed, _revision(airflow_database(home))):
        return
    if _revision(airflow_database(home)):
        before()
    log = log_file(home, "airflow-migrate")
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=dict(environment),
            cwd=home.home,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            umask=0o077,
            check=False,
        )
    if done.returncode != 0:
        raise PermanentError(f"{log}: `airflow db migrate` ended with {done.returncode}; read the end of this log")
    stamp.write_text(json.dumps({"airflow": installed, "revision": _revision(airflow_database(home))}), "utf-8")


def _is_current(stamp: Path, installed: str, revision: str) -> bool:
    """Compare with the database itself, too: it may have been restored from a backup of an older version."""
    try:
        found = json.loads(stamp.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(revision) and found == {"airflow": installed, "revision": revision}


def _revision(path: Path) -> str:
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError:
            return ""
        except sqlite3.DatabaseError as error:
            raise damaged("airflow", path, error) from error
    return ",".join(sorted(str(row[0]) for row in rows))
