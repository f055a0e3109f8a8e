"""A SQLite database while others write to it: SQLite's own backup in one step. A copy of the file would be torn."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from almanac.backup.snapshot.sources import from_path
from almanac.backup.snapshot.writer import Draft
from almanac.backup.store.manifest import Fact
from almanac.config.location import read_only
from almanac.errors import DataError, IntegrityError, TransientError
from almanac.journal.damage import check_file, damaged
from almanac.registry.records import PREFIX

_TIMEOUT_S = 60.0


@contextmanager
def sqlite_draft(name: str, path: Path) -> Iterator[Draft]:
    """A consistent copy of a database, for as long as it is needed.

    Args:
        name: of the database, for example `mlflow`.
        path: its file.

    Raises:
        DataError: there is no database.
        TransientError: it is locked, or the disk is full.
        IntegrityError: the copy is not sound, because the database is not.
    """
    check_file(name, path)  # a copy of an empty file would become the newest snapshot
    if not path.is_file():
        raise DataError(f"{path}: no database {name}; start the services once, or correct the setting that names it")
    with tempfile.TemporaryDirectory(prefix="almanac-backup-") as folder:
        copy = Path(folder) / f"{name}.db"
        try:
            # all pages in one step: page by page, a writer makes it start again, and it never ends
            with closing(sqlite3.connect(path, timeout=_TIMEOUT_S)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target, pages=-1)
        except sqlite3.OperationalError as error:
            raise TransientError(f"{path}: cannot be backed up: {error}; is the disk full or locked?") from error
        except sqlite3.DatabaseError as error:
            raise damaged(name, path, error) from error
        yield Draft(
            f"database/{name}",
            [from_path(f"{name}.db", copy)],
            {"engine": "sqlite", "tables": _tables(name, path, copy), **artifact_root(copy)},
            {"sqlite": sqlite3.sqlite_version},
        )


def _tables(name: str, path: Path, copy: Path) -> dict[str, Fact]:
    try:
        return examine(copy)
    except IntegrityError as error:
        raise damaged(name, path, _problem_alone(str(error), copy)) from error


def _problem_alone(message: str, copy: Path) -> str:
    return message.removeprefix(f"{copy}: is damaged: ").removesuffix("; do not use it")


def examine(path: Path) -> dict[str, Fact]:
    """Rows by table of a sound database.

    Raises:
        IntegrityError: it is not sound.
    """
    try:
        with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise IntegrityError(f"{path}: is damaged: {verdict}; do not use it")
            listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            names = [str(name) for (name,) in listed]
            return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path}: is damaged: {error}; do not use it") from error


# Where MLflow writes down where artifacts lie. A restore to another root must change all four.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def artifact_root(path: Path) -> dict[str, Fact]:
    """The root of artifacts that an MLflow database names by path; nothing for other databases or servers."""
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "model_versions" not in tables:
            return {}
        uris = [str(uri) for (uri,) in connection.execute("SELECT artifact_uri FROM runs") if uri]
    roots = {uri.split("/mlartifacts/", 1)[0] for uri in uris if "/mlartifacts/" in uri and "://" not in uri}
    return {"artifact_root": f"{roots.pop()}/mlartifacts"} if len(roots) == 1 else {}


def registered_versions(path: Path) -> set[tuple[str, str]]:
    """Name and number of each version of ours that an MLflow database names; none if it is no database of MLflow's."""
    query = (
        "SELECT DISTINCT name, version FROM model_versions JOIN model_version_tags USING (name, version)"
        " WHERE current_stage <> 'Deleted_Internal' AND key LIKE ?"
    )
    with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
        try:
            return {(str(name), str(version)) for name, version in connection.execute(query, (f"{PREFIX}%",))}
        except sqlite3.OperationalError:
            return set()
        except sqlite3.DatabaseError as error:
            raise IntegrityError(f"{path}: is damaged: {error}; do not use it") from error


def move_artifacts(path: Path, old: str, new: str) -> int:
    """Rewrite the four columns of an MLflow database whose locations begin with `old`; give the number of rows.

    Raises:
        IntegrityError: it is no such database.
    """
    old, new, moved = old.rstrip("/"), new.rstrip("/"), 0
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            for table, column in LOCATIONS:
                done = connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608 - both are named above
                    f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
                moved += done.rowcount
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path.name}: not a database of MLflow: {error}; do not use it") from error
    return moved
