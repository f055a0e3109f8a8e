"""Tells a damaged database file from one that is locked, full or away, and says how to have it back."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from include.errors import DamagedDatabaseError

_HEADER = b"SQLite format 3\x00"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What SQLite says of a damaged file; through MLflow's server only these words arrive.
_SAID = ("database disk image is malformed", "file is not a database", "malformed database schema")
_TIMEOUT_S = 5.0


def damaged(name: str, place: object, problem: object) -> DamagedDatabaseError:
    """The error for a damaged database, with the commands that bring it back.

    Args:
        name: of its snapshots: journal, mlflow or airflow.
        place: its file, as far as that is known.
        problem: what is wrong.
    """
    said = " ".join(str(problem).split())
    return DamagedDatabaseError(
        f"{place}: the database {name!r} is damaged: {said}. Restore it so: ./almanac down; ./almanac restore"
        f" database/{name} --live --replace; ./almanac up. See docs/operations.md, 'A database is damaged'"
    )


def check_file(name: str, path: Path) -> None:
    """Refuse a file that is no SQLite database; one look and 16 bytes. A file that is not there is no fault.

    Raises:
        DamagedDatabaseError: it is a folder, empty, or begins otherwise.
    """
    problem = file_problem(path)
    if problem:
        raise damaged(name, path, problem)


def file_problem(path: Path) -> str:
    """What is wrong with a database by its first bytes; empty: nothing, or it is not there."""
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_HEADER))
    except FileNotFoundError:
        return ""
    except IsADirectoryError:
        return "it is a folder, expected a file"
    except OSError:
        return ""  # of rights or disks, which whoever opens it says
    if not head:
        return "it is empty, expected a database: it was cut off"
    return "" if head == _HEADER else f"it begins with {head[:8]!r}, expected 'SQLite format 3'"


def whole_file_problem(path: Path) -> str:
    """What is wrong with a database when all of its pages are looked at; seconds for each gigabyte.

    Raises:
        sqlite3.OperationalError: it is locked.
    """
    if problem := file_problem(path):
        return problem
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_TIMEOUT_S)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not is_damage(error):
            raise
        return str(error)
    return "" if verdict == "ok" else " ".join(str(verdict).split())


def is_damage(error: BaseException) -> bool:
    """Whether an error, or one that it comes of, says that a database file is damaged."""
    for one in _causes(error):
        if isinstance(one, sqlite3.Error) and (getattr(one, "sqlite_errorcode", 0) or 0) & 0xFF in _DAMAGE:
            return True
        if isinstance(one, json.JSONDecodeError | UnicodeDecodeError) or any(text in str(one) for text in _SAID):
            return True
    return False


def make_database(path: Path) -> None:
    """Make an empty database in one step, so that a file without bytes is never one that is just being made."""
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
