"""The Parquet files of a Delta table: whether they are there, as long as the log says, and can be decoded."""

import io
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote, urlsplit

from almanac.config.location import path_of
from almanac.display import join_names
from almanac.errors import ConfigError, DataLossError
from almanac.storage.errors import store_errors
from almanac.storage.files import local_path, read_bytes
from almanac.storage.objects import is_remote, open_store

_NAMED = 5  # damaged files that a message names
_WHOLE: set[tuple[str, int]] = set()  # tables of object stores that this process has listed, at a version: all there


def active_files(table: Any) -> dict[str, int]:
    """Name and size of the files of a table's version."""
    import polars as pl

    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    return dict(actions.select("path", "size_bytes").iter_rows()) if actions.height else {}


def table_location(table: Any) -> str:
    """Where a table is, as everybody but deltalake writes it: that makes a URI with escapes of a path."""
    return path_of(str(table.table_uri)).rstrip("/")


def file_locations(table: Any, names: Collection[str] | None = None) -> list[str]:
    """Where the files of a table's version are, or those of these names in the log.

    deltalake writes the table's folder with escapes, and not its files.
    """
    files, written, root = (
        [str(uri) for uri in table.file_uris()],
        urlsplit(str(table.table_uri)),
        table_location(table),
    )
    if written.scheme == "file":
        files = [f"{root}/{uri.removeprefix(written.path)}" for uri in files]
    if names is None:
        return files
    wanted = {*names, *map(unquote, names)}
    return [uri for uri in files if uri.removeprefix(root).lstrip("/") in wanted]


def columns_above(uri: str, columns: Collection[str]) -> list[str]:
    """What polars takes for columns in the path to a table: `env` of `/data/env=test/weather`.

    Raises:
        ConfigError: the table has a column of this name, whose values they would replace.
    """
    above = [part.partition("=")[0] for part in uri.split("/") if "=" in part]
    if taken := sorted(set(above).intersection(columns)):
        raise ConfigError(
            f"{uri}: a folder in this path is written NAME=value with the name of a column, {join_names(taken)}, and"
            " would be read as its value; expected other folder names. Move the table to another folder"
        )
    return list(dict.fromkeys(above))


def check_sizes(table: Any) -> None:
    """Refuse a table of which a file is gone or has another size, before any of it is read.

    One look for each file of a disk. An object store is listed, once per process and version.

    Raises:
        DataLossError: one is missing or has another size; all are counted, the first named.
        TransientError: the store is unreachable.
    """
    uri = table_location(table)
    problems = list(_remote_problems(uri, table) if is_remote(uri) else _local_problems(uri, table))
    if problems:
        raise DataLossError(_words(uri, problems))


def damage_of(table: Any) -> str:
    """Decode every file of a table and say which cannot be; empty: all can. For a reading that has failed already.

    Raises:
        TransientError: the store is unreachable.
    """
    uri = table_location(table)
    problems = []
    for name in active_files(table):
        try:
            problem = decode_problem(f"{uri}/{name}")
        except FileNotFoundError:
            problem = "is missing"
        if problem:
            problems.append(f"{name} {problem}")
    return _words(uri, problems) if problems else ""


def decode_problem(uri: str) -> str:
    """Decode a Parquet file whole; what is wrong with it, in words.

    Raises:
        FileNotFoundError: there is none.
        TransientError: the store is unreachable.
    """
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    content = read_bytes(uri)
    try:
        pl.read_parquet(io.BytesIO(content))
    except (PolarsError, PanicException) as error:
        return f"cannot be decoded: {str(error).splitlines()[0][:120]}"
    return ""


def _local_problems(uri: str, table: Any) -> list[str]:
    root, problems = local_path(uri), []
    for name, size in active_files(table).items():
        path = root / name
        try:
            found = (path if path.exists() else root / unquote(name)).stat().st_size
        except FileNotFoundError:
            problems.append(f"{name} is missing")
            continue
        if found != size:
            problems.append(f"{name} has {found} bytes, expected {size}")
    return problems


def _remote_problems(uri: str, table: Any) -> list[str]:
    if (uri, int(table.version())) in _WHOLE:
        return []
    there, problems = _listed(uri), []
    for name, size in active_files(table).items():
        found = there.get(name, there.get(unquote(name)))
        if found is None:
            problems.append(f"{name} is missing")
        elif found != size:
            problems.append(f"{name} has {found} bytes, expected {size}")
    if not problems:
        _WHOLE.add((uri, int(table.version())))
    return problems


def _listed(uri: str) -> dict[str, int]:
    import obstore

    with store_errors(uri, "listed"):
        store, prefix = open_store(uri)
        found = [each for page in obstore.list(store, prefix or None, chunk_size=1000) for each in page]
    return {str(each["path"]).removeprefix(prefix).lstrip("/"): int(each["size"]) for each in found}


def _words(uri: str, problems: list[str]) -> str:
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return (
        f"{uri}: {len(problems)} files are damaged or missing: {'; '.join(problems[:_NAMED])}{more}. Nothing was"
        " read. Put"
        " them back from the snapshots: ./almanac repair MODEL. See docs/operations.md, 'A file is damaged'"
    )
