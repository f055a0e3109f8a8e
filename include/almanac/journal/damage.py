"""Distinguishes a damaged database file from one that is locked, full or unavailable; names the restore commands."""

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from almanac.config.location import read_only
from almanac.errors import DamagedDatabaseError

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What SQLite says of a damaged file; through MLflow's server only these words arrive.
_DAMAGE_MESSAGES = ("database disk image is malformed", "file is not a database", "malformed database schema")
_TIMEOUT_S = 5.0


def damaged(name: str, location: object, problem: object) -> DamagedDatabaseError:
    """The error for a damaged database, with the commands that restore it.

    Args:
        name: of its snapshots: journal, mlflow or airflow.
        location: its file, as far as that is known.
        problem: what is wrong.
    """
    text = " ".join(str(problem).split())
    return DamagedDatabaseError(
        f"{location}: the database {name!r} is damaged: {text}. Restore it so: ./almanac down; ./almanac restore"
        f" database/{name} --live --replace; ./almanac up. See docs/operations.md, 'A database is damaged'"
    )


def check_file(name: str, path: Path) -> None:
    """Refuse a folder, and an empty file, which SQLite takes for a new database. A missing file is accepted.

    Raises:
        DamagedDatabaseError: it is a folder, or empty.
    """
    problem = file_problem(path)
    if problem:
        raise damaged(name, path, problem)


def file_problem(path: Path) -> str:
    """What is wrong with a database file by its type and size; empty: nothing, or there is no file.

    The file is not opened: closing it would release the locks that SQLite holds on it in this process (POSIX locks
    belong to process and file); another process could then delete the write-ahead log, and this process would read
    stale pages from then on. SQLite itself reports damaged bytes when it opens the file.
    """
    try:
        found = path.stat()
    except OSError:
        return ""  # missing, or a problem of permissions or disks, which opening it reports
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder, expected a file"
    return "" if found.st_size else "it is empty, expected a database: it was cut off"


def first_page_problem(path: Path) -> str:
    """As `file_problem`, and what SQLite says of the first page."""
    if (problem := file_problem(path)) or not path.exists():
        return problem
    try:
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error) if is_damage(error) else ""  # opening it reports the rest
    return ""


def whole_file_problem(path: Path) -> str:
    """What is wrong with a database, by a check of all pages; takes seconds per gigabyte.

    Raises:
        sqlite3.OperationalError: it is locked.
    """
    if problem := file_problem(path):
        return problem
    try:
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=_TIMEOUT_S)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not is_damage(error):
            raise
        return str(error)
    return "" if verdict == "ok" else " ".join(str(verdict).split())


def is_damage(error: BaseException) -> bool:
    """Whether an error, or one of its causes, says that a database file is damaged."""
    for one in _causes(error):
        if isinstance(one, sqlite3.Error) and (getattr(one, "sqlite_errorcode", 0) or 0) & 0xFF in _DAMAGE:
            return True
        if isinstance(one, json.JSONDecodeError | UnicodeDecodeError) or any(
            text in str(one) for text in _DAMAGE_MESSAGES
        ):
            return True
    return False


def make_database(path: Path) -> None:
    """Create an empty database atomically, so that an empty file is never one that is being created."""
    spare = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with closing(sqlite3.connect(spare)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        try:
            os.link(spare, path)
        except FileExistsError:  # another process was faster
            return
        except OSError:  # a disk without hard links
            with suppress(FileExistsError), path.open("xb") as stream:
                stream.write(spare.read_bytes())
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{spare}{suffix}").unlink(missing_ok=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
