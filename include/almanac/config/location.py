"""Storage locations: which paths and URIs every client carries unchanged, and the form that each client takes.

Delta Lake, polars, MLflow, SQLAlchemy, Airflow and supervisord each read some characters of a path as syntax of their
own, and write to another folder then: `%20` becomes a space, `?` ends the path, `[` ends the process. So each location
is checked once, before anything is written, and no module puts a path into a URI by itself.
"""

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from almanac.display import show
from almanac.errors import ConfigError

SCHEMES = ("s3", "abfs", "abfss", "az")
BACKUP_SCHEMES = (*SCHEMES, "s3a", "gs")
_SQLITE = "sqlite:///"
_FILE = "file:"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(//)?")
# Seen to come through all clients; what is refused was seen to fail in at least one (tests/config/test_location.py).
_PUNCTUATION = frozenset("/-_.,+@!()&':=")
_SHOWN = 300  # characters of a location in a message
_SEE = "Nothing was written. See docs/operations.md, 'Paths with unusual characters'."


def check_path(path: str | os.PathLike[str], setting: str) -> Path:
    """Refuse a path of this machine that not every client carries unchanged.

    Args:
        path: a file or folder, which need not exist.
        setting: what names it, for the message.

    Raises:
        ConfigError: it is relative, no UTF-8, or holds a character that a client takes for syntax.
    """
    text = os.fspath(path)
    check_encoding(text, setting)
    if not text.startswith("/"):
        raise ConfigError(f"{setting}: got {_quoted(text)}, expected an absolute path. {_SEE}")
    wrong = sorted({letter for letter in text if not _in_path(letter)})
    if wrong:
        raise _refusal(setting, text, wrong, "letters and digits of any script, spaces and , . - _ + ~ @ ! ( ) & ' : =")
    if spaced := [part for part in text.split("/") if part != part.strip()]:
        raise ConfigError(
            f"{setting}: got {_quoted(text)}, where {_quoted(spaced[0])} begins or ends with a space; expected none."
            f" Move or rename it. {_SEE}"
        )
    return Path(text)


def check_encoding(text: str, setting: str) -> None:
    """Refuse a text that came from bytes which are no UTF-8.

    Raises:
        ConfigError: it did.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(
            f"{setting}: got {_quoted(text)}, whose bytes are not UTF-8; expected UTF-8. Rename it. {_SEE}"
        ) from None


def check_location(uri: str, setting: str, *, schemes: Collection[str] | None = SCHEMES) -> str:
    """A storage location in the one form in which all modules know it: an absolute path, or the URI of a store.

    Args:
        uri: an absolute path, `file:///...` with its escapes, or a bucket or container and a prefix.
        setting: what names it, for the message.
        schemes: of the stores that are meant; None: its client knows them.

    Returns:
        The location, without a slash at its end; a `file://` URI as the path that it means.

    Raises:
        ConfigError: it is none of these, or holds a character that a client takes for syntax.
    """
    check_encoding(uri, setting)
    found = _SCHEME.match(uri)
    if found is None or uri.startswith(_FILE):
        path = str(check_path(path_of(uri, setting), setting)).rstrip("/")
        if not path:
            raise ConfigError(f"{setting}: got the root of the disk; expected a folder below it. {_SEE}")
        return path
    if schemes is not None and (found[1] not in schemes or not found[2]):
        raise ConfigError(
            f"{setting}: got {_quoted(uri)}; expected an absolute path or one of"
            f" {', '.join(f'{scheme}://' for scheme in ('file', *schemes))}. {_SEE}"
        )
    rest = uri[found.end() :].strip("/") if found[2] is None else uri[found.end() :].rstrip("/")
    wrong = sorted({letter for letter in rest if not _in_store(letter)})
    if wrong:
        raise _refusal(setting, uri, wrong, "ASCII letters, digits and , . - _ + @ ! ( ) & ' : =")
    if rest and (empty := [part for part in rest.split("/") if part in ("", ".", "..")]):
        raise ConfigError(
            f"{setting}: got {_quoted(uri)} with the part {_quoted(empty[0])}, which clients drop or resolve as a"
            f" parent folder; expected a name between two slashes. {_SEE}"
        )
    return uri.rstrip("/")


def check_database(url: str, setting: str) -> str:
    """The URL of a database; of a SQLite file only one whose path every client reads as it stands.

    Raises:
        ConfigError: the file's path holds a character that a client takes for syntax.
    """
    check_encoding(url, setting)
    if url.startswith("sqlite") and (path := _written_path(url)):
        check_path(Path(path).absolute(), setting)  # as it is written: MLflow takes an escape for the name of a folder
    return url


def path_of(uri: str, setting: str = "file") -> str:
    """The path of a location on this machine, which may be a `file:` URI with escapes.

    Raises:
        ConfigError: the URI names another machine, a query or a fragment.
    """
    if not uri.startswith(_FILE):
        return uri
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or "?" in uri or "#" in uri:
        raise ConfigError(
            f"{setting}: got {_quoted(uri)}; expected file:///path, without a host, ? or # (a percent sign and two"
            f" digits write a character of the path). {_SEE}"
        )
    return unquote(parts.path, errors="surrogateescape")


def sqlite_url(path: str | os.PathLike[str], *, timeout_s: int | None = None) -> str:
    """The URL by which SQLAlchemy, Airflow and MLflow open a SQLite file.

    Not SQLAlchemy's own rendering: it writes escapes, which MLflow takes for the name of a folder and makes that.

    Args:
        path: the file, which need not exist.
        timeout_s: how long to wait for another writer; None: what the client says.

    Raises:
        ConfigError: one of them would open another file.
    """
    wait = "" if timeout_s is None else f"?timeout={timeout_s}"
    return f"{_SQLITE}{check_path(path, 'database')}{wait}"


def sqlite_path(url: str) -> Path | None:
    """The file that SQLAlchemy opens by a SQLite URL; None: it has no file."""
    path = _written_path(url)
    return Path(unquote(path)) if path not in ("", ":memory:") else None


def _written_path(url: str) -> str:
    return url.partition("://")[2].partition("?")[0][1:]


def read_only(path: Path) -> str:
    """The URI by which Python's sqlite3 opens a file of any name, to read it and never to make it."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _in_path(letter: str) -> bool:
    return letter == " " or letter == "~" or _in_store(letter) or (letter.isprintable() and not letter.isascii())


def _in_store(letter: str) -> bool:
    return letter in _PUNCTUATION or (letter.isascii() and letter.isalnum())


def _refusal(setting: str, text: str, wrong: list[str], expected: str) -> ConfigError:
    return ConfigError(
        f"{setting}: got {_quoted(text)} with {' '.join(map(_quoted, wrong[:10]))}, which Delta Lake, MLflow, Airflow"
        f" or a store reads as something else; expected {expected} between the slashes. Move or rename it. {_SEE}"
    )


def _quoted(text: str) -> str:
    return show(text, _SHOWN)
