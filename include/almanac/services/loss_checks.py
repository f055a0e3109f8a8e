"""What `doctor` looks at for losses: the database files, the tables of each model, and the nightly check of files."""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Literal

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.errors import AlmanacError
from almanac.journal.damage import damaged, whole_file_problem
from almanac.services.databases import database_files

if TYPE_CHECKING:
    from almanac.journal.journal import Journal

Row = tuple[str, Literal["ok", "warn", "fail"], str, str]
_SEE = "see docs/operations.md, 'A table is behind' and 'A file is damaged'"


def database_rows(home: Home) -> Iterator[Row]:
    """Each SQLite file: whole, and writable. One that is not there yet is not an error."""
    for name, path in database_files(home).items():
        row = f"database {name}"
        if not path.exists():
            yield row, "ok", "does not exist yet; the first start creates it", ""
            continue
        try:
            problem = whole_file_problem(path)
        except sqlite3.OperationalError as error:
            yield row, "warn", f"{path}: cannot be read: {error}", "is it locked? Try again"
            continue
        if problem:
            yield row, "fail", *_parted(damaged(name, path, problem))
        elif not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            yield (
                row,
                "fail",
                f"{path}: cannot be written to",
                f"chmod u+w {quote(str(path))} {quote(str(path.parent))}, or mount it writable",
            )
        else:
            yield row, "ok", f"{path}: whole", ""


def journal_rows(home: Home) -> Iterator[Row]:
    """Whether the journal's tables are those of this version. A journal that does not exist yet is no fault."""
    from almanac.backup.installation import databases, exists
    from almanac.journal.schema import describe
    from almanac.journal.upgrade import find_upgrade

    if not exists(databases(home)["journal"]):
        return
    found = find_upgrade(home.journal_url)
    if found.changed:
        seen = f"{found.place}: {describe(found.before)}, expected revision {found.after}"
        yield "journal tables", "fail", seen, "./almanac journal upgrade"
    else:
        yield "journal tables", "ok", f"revision {found.after}", ""


def table_rows(home: Home) -> Iterator[Row]:
    """Each model's tables: not behind what is known of them, their logs without gaps, their files all there."""
    from almanac.data.table.loss import losses
    from almanac.data.table.table_guard import tables_of
    from almanac.journal.journal import Journal

    known = database_files(home).get("journal")
    journal = Journal(home.journal_url) if known is None or known.exists() else None
    for model in load_models(home.models).declared:
        try:
            behind = losses(home, model.name, journal) if journal is not None else {}
        except AlmanacError as error:
            yield f"tables of {model.name}", "fail", f"cannot be checked: {error}", _SEE
            behind = {}
        for name, uri in tables_of(home, model.name).items():
            problem = behind.get(name) or _problem(uri)
            if problem is not None:
                yield f"table {name}", "fail" if problem else "ok", problem or uri, _SEE if problem else ""
    if journal is not None:
        yield from _file_rows(journal)


def backup_rows(home: Home) -> Iterator[Row]:
    """What is not backed up or not proven, by name: the same as the page of backups and the alerts say."""
    from almanac.backup.coverage import lines_of
    from almanac.backup.installation import open_repositories
    from almanac.backup.retention.protected import protected_models
    from almanac.backup.survey import survey
    from almanac.config.files.loader import load_installation
    from almanac.journal.journal import Journal

    known = database_files(home).get("journal")
    if known is not None and not known.exists():
        yield "backups", "ok", "no data yet that could be lost", ""
        return
    try:
        names, settings = protected_models(home).models, load_installation(home.models).backup
        repositories = open_repositories(home, settings, write=False).all()
        gaps = survey(home, names, Journal(home.journal_url), repositories, settings, now=datetime.now(UTC))
    except AlmanacError as error:
        yield "backups", "warn", f"cannot be checked: {error}", "correct that first"
        return
    late = any(gap.overdue for gap in gaps)
    todo = (
        "see docs/operations.md, Alert: backup and Alert: drill"
        if late
        else "nothing on a new installation: the next runs do it"
    )
    yield (
        "backups",
        "fail" if late else "warn" if gaps else "ok",
        "\n".join(lines_of(gaps)) or "everything is backed up and drilled",
        todo if gaps else "",
    )


def _file_rows(journal: "Journal") -> Iterator[Row]:
    from almanac.journal.file_checks import FileChecks

    for state in FileChecks(journal).states(datetime.now(UTC)):
        seen = f"{state.share:.0%} were checked within {state.slots} days"
        if state.damaged:
            seen = f"{len(state.damaged)} are damaged or missing, such as {state.damaged[0]}"
        todo = f"./almanac repair {state.subject}" if state.damaged else ""
        yield f"files of {state.subject}", "fail" if state.damaged else "ok", seen, todo


def _problem(uri: str) -> str | None:
    """What is wrong with a table; empty: nothing; None: there is none."""
    from almanac.data.table.data_files import check_sizes
    from almanac.data.table.delta_log import log_problems
    from almanac.data.table.delta_table import open_table

    try:
        problems = log_problems(uri)
        if problems:
            return "; ".join(problems)
        table = open_table(uri)
        if table is None:
            return None
        check_sizes(table)
    except AlmanacError as error:
        return str(error)
    return ""


def _parted(error: Exception) -> tuple[str, str]:
    """What is wrong, and what to do."""
    seen, _, todo = str(error).partition(". Restore it so: ")
    return seen, todo
