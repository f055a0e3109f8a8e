"""Lists the files of a folder or of an object store that may be taken."""

import logging
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from almanac.errors import DataError
from almanac.storage.errors import store_errors
from almanac.storage.files import BLOCK, local_path, read_blocks, remove
from almanac.storage.local_files import OtherFileError, identity_of, move_below, open_regular
from almanac.storage.objects import is_remote, open_store

log = logging.getLogger(__name__)

_TEMPORARY = (".tmp", ".part")
_UNSAFE = ("Cc", "Cs")  # control characters; bytes that are no UTF-8


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing saw it.

    Where the store has no e-tag, `etag` is empty; `identity` is the file's on the disk, and empty in object stores.
    """

    uri: str
    name: str
    size_bytes: int
    modified_at: datetime
    etag: str = ""
    identity: str = field(default="", compare=False)

    def to_json(self) -> dict[str, str | int]:
        """The same as plain JSON, for XCom and event payloads."""
        return {
            "uri": self.uri,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "modified_at": self.modified_at.isoformat(),
            "etag": self.etag,
            "identity": self.identity,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, str | int]) -> "StoredFile":
        """Read what `to_json` wrote.

        Raises:
            KeyError: a part is missing.
            ValueError: a part cannot be read.
        """
        modified_at = datetime.fromisoformat(str(value["modified_at"]))
        size = int(value["size_bytes"])
        return cls(
            str(value["uri"]), str(value["name"]), size, modified_at, str(value["etag"]), str(value.get("identity", ""))
        )


def list_files(uri: str, patterns: Sequence[str], *, lenient: bool = False, after: str = "") -> list[StoredFile]:
    """List the files below `uri` whose path matches a pattern, sorted by URI. A missing folder is an empty list.

    Never listed are hidden and temporary names (`.x`, `_x`, `x.tmp`, `x.part`; also as folders), symbolic links,
    what is no regular file, and names with control characters, a broken encoding, a backslash or `::` (these with a
    warning). The patterns say how deep: `*.csv` is the top level, `*/*.csv` one below it; `X.CSV` matches `*.csv`.

    Args:
        uri: a local path, `file://`, `s3://` or `abfs://`.
        patterns: globs on the path below `uri`, part by part.
        lenient: leave a folder out, with a warning, that holds an object whose name no client can write down.
        after: a name below `uri`; an object store is asked for names after it alone, in the order of their letters.

    Raises:
        DataError: there is such an object.
        TransientError: the store is unreachable or refuses.
    """
    root = uri.rstrip("/")
    split = [tuple(pattern.split("/")) for pattern in patterns]
    depth = max(len(parts) for parts in split)
    with store_errors(root, "listed"):
        entries = _objects(root, depth, lenient, after) if is_remote(root) else _walk(local_path(root), (), root, depth)
        files = [
            file for parts, file in entries if any(_matches(parts, pattern) for pattern in split) and _is_there(file)
        ]
    return sorted(files, key=lambda file: file.uri)


def read_listed(file: StoredFile, root: str) -> Iterator[bytes]:
    """The content of a listed file, block by block; never more than a block beyond the listed size.

    Args:
        file: as it was listed.
        root: the place that was listed.

    Raises:
        OtherFileError: something else lies in its place: a link, no regular file, a file that was put there later.
        FileNotFoundError: there is nothing.
        TransientError: the store is unreachable, now or while it is read.
    """
    left = file.size_bytes
    for block in read_blocks(file.uri) if is_remote(file.uri) else _local_blocks(file, root):
        yield block
        left -= len(block)
        if left < 0:
            return  # it grows; the reader sees that there is more than was listed


def _local_blocks(file: StoredFile, root: str) -> Iterator[bytes]:
    with store_errors(file.uri, "read"):
        stream = open_regular(local_path(file.uri), below=local_path(root.rstrip("/")))
    with stream:
        facts = os.fstat(stream.fileno())
        now = _local(file.uri, file.name, facts)
        if now != file or file.identity not in ("", now.identity):
            raise OtherFileError(f"{file.uri}: changed since it was listed; it is ingested when it is stable")
        while True:
            with store_errors(file.uri, "read"):
                block = stream.read(BLOCK)
            if not block:
                return
            yield block


def remove_unchanged(file: StoredFile, root: str = "") -> bool:
    """Remove the file unless somebody put another one in its place since it was listed; say whether it is gone.

    Args:
        file: as it was listed.
        root: the place that was listed, where others write there; what lies behind a link in it stays.

    Raises:
        TransientError: the store is unreachable or refuses.
    """
    with store_errors(file.uri, "looked at"):
        try:
            now = _look(file)
        except FileNotFoundError:
            return True
    same = _is_same(file, now)
    if same:
        remove(file.uri, below=root)
    return same


def move_unchanged(file: StoredFile, root: str, target: str, target_root: str) -> bool:
    """Move a file within its store unless somebody put another one in its place; say whether it was moved.

    Args:
        file: as it was listed.
        root: the place that was listed, where others write.
        target: where it goes; a file there is replaced.
        target_root: a place above the target that exists.

    Raises:
        TransientError: the store is unreachable or refuses; the file is still where it was.
    """
    with store_errors(file.uri, "moved"):
        try:
            if not _is_same(file, _look(file)):
                return False
            if is_remote(file.uri):
                return _move_object(file, target)
            return move_below(
                local_path(file.uri),
                local_path(root),
                local_path(target),
                local_path(target_root),
                lambda facts: _is_same(file, _local(file.uri, file.name, facts)),
            )
        except FileNotFoundError:
            return False


def _move_object(file: StoredFile, target: str) -> bool:
    import obstore

    store, path = open_store(file.uri)
    obstore.copy(store, path, open_store(target)[1])
    if not _is_same(file, _look(file)):
        remove(target)
        return False
    remove(file.uri)
    return True


def _is_same(file: StoredFile, now: StoredFile) -> bool:
    # Some stores tell the time more exactly in a listing than of one object; the e-tag is the same in both.
    same = (now.size_bytes, now.etag) == (file.size_bytes, file.etag) if file.etag else now == file
    return same and file.identity in ("", now.identity)


def _walk(folder: Path, above: tuple[str, ...], uri: str, depth: int) -> Iterator[tuple[tuple[str, ...], StoredFile]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # never made, or removed while it was listed
        return
    for entry in entries:
        if not _may_be_taken(uri, entry.name) or entry.is_symlink():
            continue
        parts, path = (*above, entry.name), f"{uri}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if len(parts) < depth:
                yield from _walk(folder / entry.name, parts, path, depth)
            continue
        try:
            facts = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(facts.st_mode):
            yield parts, _local(path, entry.name, facts)


def _objects(uri: str, depth: int, lenient: bool, after: str) -> list[tuple[tuple[str, ...], StoredFile]]:
    """All objects below a place, by one listing; folder by folder where a name deeper down breaks that."""
    import obstore
    from obstore.exceptions import InvalidPathError

    store, prefix = open_store(uri)
    offset = f"{prefix}/{after}".lstrip("/") if after else None
    try:
        pages = obstore.list(store, prefix or None, offset=offset, chunk_size=1000)
        found: list[Mapping[str, Any]] = [each for some in pages for each in some]
    except InvalidPathError:
        found = _folder_by_folder(store, prefix, uri, depth, lenient)
    entries = []
    for each in found:
        parts = tuple(each["path"].removeprefix(prefix).lstrip("/").split("/"))
        if len(parts) <= depth and all(_may_be_taken(uri, part) for part in parts):
            entries.append((parts, _stored(f"{uri}/{'/'.join(parts)}", parts[-1], each)))
    return entries


def _folder_by_folder(store: Any, prefix: str, uri: str, depth: int, lenient: bool) -> list[Mapping[str, Any]]:
    """All objects as deep as is asked for.

    Raises:
        DataError: a name there is not to be written down: an empty part, a control character.
    """
    import obstore
    from obstore.exceptions import InvalidPathError

    try:
        listed = obstore.list_with_delimiter(store, prefix or None)
    except InvalidPathError as error:
        if lenient:
            _warn_once(uri, str(error).splitlines()[0])
            return []
        raise DataError(
            f"{uri}: the name of an object here cannot be written as a path by any client:"
            f" {str(error).splitlines()[0]}. Nothing in this folder is ingested until you rename or remove that"
            " object (docs/object-storage.md says how)."
        ) from None
    found: list[Mapping[str, Any]] = list(listed["objects"])
    for folder in listed["common_prefixes"] if depth > 1 else ():
        name = folder.rstrip("/").rsplit("/", 1)[-1]
        if _may_be_taken(uri, name):
            found += _folder_by_folder(store, folder.rstrip("/"), f"{uri}/{name}", depth - 1, lenient)
    return found


def _is_there(file: StoredFile) -> bool:
    """Whether this is a file. Consoles make folders as empty objects `x/`, which a listing shows as `x`."""
    if file.size_bytes or not is_remote(file.uri):
        return True
    try:
        _look(file)
    except FileNotFoundError:
        return False
    return True


def _look(file: StoredFile) -> StoredFile:
    """The file as it is now.

    Raises:
        FileNotFoundError: it is gone.
    """
    if not is_remote(file.uri):
        return _local(file.uri, file.name, local_path(file.uri).lstat())
    import obstore

    return _stored(file.uri, file.name, obstore.head(*open_store(file.uri)))


def _may_be_taken(folder: str, name: str) -> bool:
    if name.startswith((".", "_")) or name.endswith(_TEMPORARY):
        return False
    if "\\" in name or "::" in name or any(unicodedata.category(letter) in _UNSAFE for letter in name):
        _warn_once(folder, name)
        return False
    return True


@lru_cache(maxsize=1000)
def _warn_once(folder: str, name: str) -> None:
    # once per process: a watcher lists every two seconds
    log.warning(
        "%s: %r is never ingested: control characters, a backslash or '::' in its name; rename it", folder, name
    )


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(parts) == len(pattern) and all(map(is_like, parts, pattern))


def is_like(name: str, pattern: str) -> bool:
    """Whether a name matches a glob; capital and small letters are the same, as in `DATA.CSV`."""
    return fnmatchcase(name.casefold(), pattern.casefold())


def _local(uri: str, name: str, facts: os.stat_result) -> StoredFile:
    return StoredFile(uri, name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC), "", identity_of(facts))


def _stored(uri: str, name: str, facts: Mapping[str, Any]) -> StoredFile:
    etag = str(facts["e_tag"] or "").strip('"')
    return StoredFile(uri, name, int(facts["size"]), facts["last_modified"].astimezone(UTC), etag)
