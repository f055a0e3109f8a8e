"""Lists the files of a folder or of an object store that may be taken."""

import logging
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from include.storage.files import locate, remove, store_faults

log = logging.getLogger(__name__)

_Found = tuple[tuple[str, ...], Mapping[str, Any]]
_TEMPORARY = (".tmp", ".part")
_UNSAFE = ("Cc", "Cs")  # control characters; bytes that are no UTF-8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing saw it. Where the store has no e-tag, `etag` is empty."""

    uri: str
    name: str
    size_bytes: int
    modified_at: datetime
    etag: str = ""

    def to_json(self) -> dict[str, str | int]:
        """The same as plain JSON, for XCom and event payloads."""
        return {
            "uri": self.uri,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "modified_at": self.modified_at.isoformat(),
            "etag": self.etag,
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
        return cls(str(value["uri"]), str(value["name"]), size, modified_at, str(value["etag"]))


def list_files(uri: str, patterns: Sequence[str]) -> list[StoredFile]:
    """List the files below `uri` whose path matches a pattern, sorted by URI. A missing folder is an empty list.

    Never listed are hidden and temporary names (`.x`, `_x`, `x.tmp`, `x.part`; also as folders), symbolic links,
    what is no regular file, and names with control characters, a broken encoding, a backslash or `::` (these with a
    warning). Folders
    are entered only as deep as the patterns go: `*.csv` is the top level, `*/*.csv` one below it.

    Args:
        uri: a local path, `file://`, `s3://` or `abfs://`.
        patterns: globs on the path below `uri`, part by part.

    Raises:
        TransientError: the store is away or refuses.
    """
    root = uri.rstrip("/")
    split = [tuple(pattern.split("/")) for pattern in patterns]
    with store_faults(root, "listed"):
        fs, path = locate(root)
        fs.invalidate_cache()  # an object store's client would otherwise show what it saw before
        entries = list(_walk(fs, path.rstrip("/"), (), depth=max(len(parts) for parts in split)))
    files = [
        _stored(f"{root}/{'/'.join(parts)}", parts[-1], entry)
        for parts, entry in entries
        if any(_matches(parts, pattern) for pattern in split)
    ]
    return sorted(files, key=lambda file: file.uri)


def remove_unchanged(file: StoredFile) -> bool:
    """Remove the file unless somebody put another one in its place since it was listed; say whether it is gone.

    Raises:
        TransientError: the store is away or refuses.
    """
    with store_faults(file.uri, "looked at"):
        fs, path = locate(file.uri)
        fs.invalidate_cache()
        try:
            entry = fs.info(path)
        except FileNotFoundError:
            return True
    if _stored(file.uri, file.name, entry) != file:
        return False
    remove(file.uri)
    return True


def _walk(
    fs: Any, path: str, above: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    try:
        entries = fs.ls(path, detail=True)
    except FileNotFoundError:  # never made, or removed while it was listed
        return
    for entry in entries:
        name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
        if str(entry["name"]).rstrip("/") == path or not _may_be_taken(path, name) or entry.get("islink"):
            continue
        parts = (*above, name)
        if entry["type"] == "file":
            yield parts, entry
        elif entry["type"] == "directory" and len(parts) < depth:
            yield from _walk(fs, f"{path}/{name}", parts, depth)


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
    log.warning("%s: %r is never taken: control characters, a backslash or '::' in its name; rename it", folder, name)


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


def _stored(uri: str, name: str, entry: Mapping[str, Any]) -> StoredFile:
    etag = entry.get("ETag") or entry.get("etag") or ""
    return StoredFile(uri, name, int(entry["size"] or 0), _modified_at(entry), str(etag).strip('"'))


def _modified_at(entry: Mapping[str, Any]) -> datetime:
    """The time of change under the name that the store's client gives it: local, S3, Azure, memory."""
    for key in ("mtime", "LastModified", "last_modified", "created"):
        value = entry.get(key)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    return _EPOCH
