"""The log of a Delta table as files: which are missing, empty or damaged. For what Delta itself ignores silently.

Delta opens a table whose newest commit is missing, and treats an empty commit as one that changes nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterator

from almanac.data.table.data_files import decode_problem
from almanac.errors import DataLossError
from almanac.storage.files import exists, local_path, read_bytes, write_bytes
from almanac.storage.listing import list_files
from almanac.storage.objects import is_remote

LOG = "_delta_log"
HINT = f"{LOG}/_last_checkpoint"
_COMMIT = re.compile(r"^(\d{20})\.json$")
_TAIL = 200  # commits after a checkpoint; Delta writes one every 100


def commit_file(version: int) -> str:
    """Where the commit of a version is, below its table."""
    return f"{LOG}/{version:020}.json"


def hash_commit(uri: str, version: int) -> str | None:
    """The SHA-256 of a commit's bytes; None: there is no such commit.

    Raises:
        TransientError: the store is unreachable.
    """
    try:
        return hashlib.sha256(read_bytes(f"{uri}/{commit_file(version)}")).hexdigest()
    except FileNotFoundError:
        return None


def check_tail(uri: str, version: int) -> None:
    """Refuse a table with an empty commit after its last checkpoint; at most 200 are looked at, however long the log.

    Only on a disk: there a look costs a microsecond. In an object store the nightly check lists the log.

    Raises:
        DataLossError: one is empty or gone.
    """
    if is_remote(uri):
        return
    root, first = local_path(uri), max(_checkpoint(uri) + 1, version - _TAIL, 0)
    for number in range(first, version + 1):
        path = root / commit_file(number)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = 0
        if not size:
            raise DataLossError(
                f"{path}: the commit is empty or missing; got 0 bytes, expected the rows of version {number}. Nothing"
                " is"
                f" written on top of it. {way_out()}"
            )


def log_problems(uri: str) -> list[str]:
    """What is wrong with the files of a log, in words; empty: nothing, or no table at all. Lists the whole log.

    Raises:
        TransientError: the store is unreachable.
    """
    files = {file.name: file.size_bytes for file in list_files(f"{uri}/{LOG}", ["*"])}
    commits = {int(match.group(1)) for name in files if (match := _COMMIT.match(name))}
    found = [f"{uri}/{LOG}/{name} is empty" for name, size in sorted(files.items()) if not size]
    if commits:
        gone = sorted(set(range(max(commits) + 1)) - commits)
        found += [f"{uri}/{commit_file(number)} is missing" for number in gone[:5]]
        found += [f"and {len(gone) - 5} more commits"] if len(gone) > 5 else []
        found += list(_unreadable(uri, commits, files))
    checkpoint = _checkpoint(uri)
    hinted = [name for name in files if name.startswith(f"{checkpoint:020}.checkpoint") and files[name]]
    if checkpoint >= 0 and not hinted:
        found.append(f"{uri}/{LOG}/{checkpoint:020}.checkpoint.parquet is missing")
    for name in hinted:
        problem = decode_problem(f"{uri}/{LOG}/{name}")
        found += [f"{uri}/{LOG}/{name} {problem}"] if problem else []
    return found


def fill_holes(uri: str) -> list[int]:
    """Put a commit that changes nothing in the place of each that is gone, empty or no JSON; which versions they are.

    So the log says what Delta reads anyway, or can be read at all. Damaged bytes are kept in `_damaged/`. Only for what
    a person has accepted as lost.

    Raises:
        TransientError: the store is unreachable.
    """
    names = [file.name for file in list_files(f"{uri}/{LOG}", ["*.json"]) if _COMMIT.match(file.name)]
    filled = []
    for version in range(int(max(names, default="-1").split(".")[0]) + 1):
        path = f"{uri}/{commit_file(version)}"
        content = read_bytes(path) if exists(path) else b""
        if is_commit(content):
            continue
        if content:
            write_bytes(f"{uri}/_damaged/{version:020}.json", content)
        write_bytes(path, json.dumps({"commitInfo": {"operation": "ACCEPTED LOSS", "timestamp": 0}}).encode() + b"\n")
        filled.append(version)
    return filled


def way_out(name: str = "") -> str:
    """What to do about a table that has lost something.

    Args:
        name: of the table as commands take it; empty: not known here.
    """
    name = name or "TABLE (such as dataset/weather)"
    return (
        f"Put it back: ./almanac repair {name}; or accept the loss: ./almanac accept {name} --reason '...'."
        " See docs/operations.md, 'A table is behind'"
    )


def is_commit(content: bytes) -> bool:
    """Whether these are the lines of a commit."""
    try:
        return bool([json.loads(line) for line in content.splitlines()])
    except ValueError:
        return False


def _unreadable(uri: str, commits: set[int], files: dict[str, int]) -> Iterator[str]:
    """The commits after the last checkpoint that are no lines of JSON."""
    first = max(_checkpoint(uri) + 1, max(commits) - _TAIL)
    for number in sorted(commit for commit in commits if commit >= first):
        if not files[f"{number:020}.json"]:
            continue
        if not is_commit(read_bytes(f"{uri}/{commit_file(number)}")):
            yield f"{uri}/{commit_file(number)} is damaged: it is not JSON"


def _checkpoint(uri: str) -> int:
    """The version of the last checkpoint; -1: there is none, or its hint cannot be read, which Delta ignores, too."""
    hint = f"{uri}/{HINT}"
    try:
        if not is_remote(uri) and not exists(hint):
            return -1
        return int(json.loads(read_bytes(hint))["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return -1
