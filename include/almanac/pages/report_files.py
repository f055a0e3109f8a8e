"""Finds report pages by their names, and by nothing else: a name is never a path."""

import re
from dataclasses import dataclass
from datetime import datetime

from almanac.config.grammar.types import check_slug
from almanac.config.home import Home
from almanac.errors import PermanentError
from almanac.storage.files import read_bytes, write_bytes
from almanac.storage.listing import list_files
from almanac.storage.local_files import OtherFileError
from almanac.validation.data_docs import render_apart

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
_BATCH = re.compile(r"^[0-9a-f]{12}_")
DATA_FILES = {".csv": "text/csv; charset=utf-8", ".parquet": "application/vnd.apache.parquet"}
_VALIDATION, _DOCS = ".validation.json", ".data-docs.html"


class UnknownPageError(PermanentError):
    """There is no such page, or its name cannot be one."""


@dataclass(frozen=True)
class ReportFile:
    """One kept page. `kind` is `batch`, or what its name begins with: `monitor`, ..."""

    name: str
    kind: str
    written_at: datetime


def list_reports(home: Home, model: str) -> list[ReportFile]:
    """The report pages of a model, the newest first.

    Raises:
        TransientError: the store is unreachable.
    """
    found = list_files(home.reports_of(check_slug(model)), ["*.html"])
    pages = [
        ReportFile(file.name, kind_of(file.name), file.modified_at)
        for file in found
        if _NAME.match(file.name) and not file.name.endswith(_DOCS)
    ]
    return sorted(pages, key=lambda page: page.written_at, reverse=True)


def kind_of(name: str) -> str:
    """What a page is about, by its name."""
    return "batch" if _BATCH.match(name) else name.partition("_")[0].removesuffix(".html")


def read_report(home: Home, model: str, name: str) -> str:
    """The text of a report page.

    Raises:
        UnknownPageError: the name is no file name of a page, or there is no such file.
        TransientError: the store is unreachable.
    """
    return _read(home, model, name, ".html").decode("utf-8", "replace")


def read_data_file(home: Home, model: str, name: str) -> tuple[bytes, str]:
    """The rows beside a report, and their media type.

    Raises:
        UnknownPageError: the name is no file name of such a file, or there is none.
        TransientError: the store is unreachable.
    """
    ending = f".{name.rpartition('.')[2]}"
    if ending not in DATA_FILES:
        raise UnknownPageError(f"no such file; got {name[:200]!r}, expected one that a report links to")
    return _read(home, model, name, ending), DATA_FILES[ending]


def data_docs(home: Home, model: str, report: str) -> str:
    """Great Expectations' page of a batch, made when it is first asked for and kept beside the batch's report.

    Args:
        home: where reports are.
        model: whose.
        report: the file name of the batch's report.

    Raises:
        UnknownPageError: no result was kept.
        DataError: what was kept is no result.
        TransientError: the store is unreachable.
    """
    stem = report.removesuffix(".html")
    try:
        return _read(home, model, f"{stem}{_DOCS}", _DOCS).decode("utf-8", "replace")
    except UnknownPageError:
        document = _read(home, model, f"{stem}{_VALIDATION}", _VALIDATION)
    if document.strip() in (b"", b"{}"):
        raise UnknownPageError(f"{report}: Great Expectations has no results for the rows of this batch")
    page = render_apart(document)
    write_bytes(f"{home.reports_of(model)}/{stem}{_DOCS}", page)
    return page.decode("utf-8")


def has_data_docs(home: Home, model: str, report: str) -> bool:
    """Whether a result was kept that documents can be made of."""
    try:
        return len(_read(home, model, f"{report.removesuffix('.html')}{_VALIDATION}", _VALIDATION)) > 2
    except UnknownPageError:
        return False


def _read(home: Home, model: str, name: str, ending: str) -> bytes:
    if not _is_slug(model) or not _NAME.match(name) or not name.endswith(ending):
        raise UnknownPageError(f"no such page; got {name[:200]!r}, expected the name of a page in the list of reports")
    uri = f"{home.reports_of(model)}/{name}"
    try:
        return read_bytes(uri)
    except OtherFileError as error:  # a link could lead anywhere on this machine; nobody who writes here needs one
        raise UnknownPageError(f"{name}: not a regular file; symbolic links, pipes and devices are not read") from error
    except FileNotFoundError as error:
        raise UnknownPageError(f"{name}: there is no such page of {model}; it may have been removed") from error


def _is_slug(model: str) -> bool:
    try:
        check_slug(model)
    except ValueError:
        return False
    return True
