"""The live files that a snapshot's subject consists of, each with what is known of it: its size, and its hash."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import FileEntry, Manifest, check_path
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.outputs import TABLES, table_locations
from almanac.config.home import Home
from almanac.data.table.data_files import active_files, decode_problem
from almanac.data.table.delta_log import LOG, commit_file, hash_commit, is_commit
from almanac.data.table.delta_table import open_table
from almanac.errors import DataError, IntegrityError
from almanac.registry.files import CARD, DECISION
from almanac.registry.served_artifacts import hash_served, is_served
from almanac.storage.files import hash_file, identity, read_bytes
from almanac.storage.listing import list_files

_COMMIT = re.compile(rf"^{LOG}/(\d{{20}})\.json$")
GONE = "is gone"
_WRITTEN_AGAIN = (CARD, DECISION)  # by each judgement
_TABLES = {"dataset": ("",), "outputs": tuple(f"{name}/" for name in TABLES), "shadow": ("",)}


@dataclass(frozen=True)
class LiveFile:
    """One file that must be there.

    Attributes:
        path: below its subject, as snapshots have it.
        root: where it lies with all that belong together,
        name: and its name below that.
        size: as its table's log says; -1: not known.
        entry: as the newest snapshot that has it says; None: no snapshot has it.
        commit: the version, of a commit of a table's log; -1: it is none.
        optional: it may have been deleted in good order: only what is there is compared.
    """

    path: str
    root: str
    name: str
    size: int = -1
    entry: FileEntry | None = None
    commit: int = -1
    optional: bool = False

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"{self.root}/{self.name}"


class Subject:
    """A subject of snapshots as it lies in the installation.

    Args:
        home: where.
        repository: knows what its files were.
        name: `dataset/weather`, `outputs/weather`, `model/weather`; `shadow/weather`, which no snapshot has.
        newest_only: read one manifest, not all that there are; of a model all, for each is of one version.

    Raises:
        DataLossError: on listing, when a table's log is damaged.
        IntegrityError: a manifest is damaged.
        TransientError: a store is unreachable.
    """

    def __init__(self, home: Home, repository: BackupRepository, name: str, *, newest_only: bool = False) -> None:
        self.home, self.name = home, name
        self.kind, _, self.model = name.partition("/")
        catalogue = Catalogue(repository)
        refs = () if self.kind == "shadow" else catalogue.refs(name)[::-1]
        wanted = refs[:1] if newest_only and self.kind != "model" else refs
        self.manifests: list[Manifest] = [catalogue.read(ref) for ref in wanted]

    def tables(self) -> dict[str, str]:
        """The repositories of its Delta tables, by the prefix of their paths."""
        uris: Mapping[str, Sequence[str]] = {
            "dataset": (self.home.dataset_of(self.model),),
            "outputs": tuple(table_locations(self.home, self.model).values()),
            "shadow": (self.home.shadow_predictions_of(self.model),),
        }
        return dict(zip(_TABLES.get(self.kind, ()), uris.get(self.kind, ()), strict=True))

    def entries(self, prefix: str, first: str = "", sha256: str | None = None) -> dict[str, FileEntry]:
        """What snapshots know of the files below a prefix, by name; of a name the newest snapshot.

        Args:
            prefix: of their paths.
            first: a file that tells one table from another that had its place before: its first commit,
            sha256: and its hash, as it lies there; None: as the newest snapshot has it.
        """
        found: dict[str, FileEntry] = {}
        for manifest in self.manifests:
            own = {one.path.removeprefix(prefix): one for one in manifest.files if one.path.startswith(prefix)}
            sha256 = sha256 or (own[first].sha256 if first in own else None)
            if not first or (first in own and own[first].sha256 == sha256):
                found = own | found
        return found

    def commits(self, prefix: str, uri: str, *, until: int | None = None) -> Iterator[LiveFile]:
        """The commits of a table that are there, and those that snapshots of it have.

        Args:
            prefix: of its paths in snapshots.
            uri: its place.
            until: the version up to which the table is known to go; None: as far as the newest snapshot goes.
        """
        known = self.entries(prefix, commit_file(0), hash_commit(uri, 0))
        there = {f"{LOG}/{file.name}" for file in list_files(f"{uri}/{LOG}", ["*.json"])}
        newest = {entry.path.removeprefix(prefix) for one in self.manifests[:1] for entry in one.files}
        wanted = known.keys() if until is not None else newest & known.keys()
        if until is not None:
            wanted = {name for name in wanted if name <= commit_file(until)}
        for name in sorted(there | wanted):
            if match := _COMMIT.match(name):
                yield LiveFile(f"{prefix}{name}", uri, name, -1, known.get(name), int(match.group(1)))

    def data_files(self, prefix: str, uri: str) -> Iterator[LiveFile]:
        """The files of the table's newest version, and of those that models were trained on; its log must be whole."""
        table = open_table(uri)
        if table is None:
            return
        known, sizes = self.entries(prefix), active_files(table)
        for version in self._trained_on() if self.kind == "dataset" else ():
            if version < table.version():
                sizes = active_files(open_table(uri, version)) | sizes
        for name, size in sorted(sizes.items()):
            entry = known.get(name) or known.get(unquote(name))
            written = name if entry is None else entry.path.removeprefix(prefix)
            yield LiveFile(f"{prefix}{written}", uri, written, size, entry)

    def other_files(self) -> Iterator[LiveFile]:
        """What is in no table: artifacts of model versions, rejected files."""
        if self.kind == "outputs":
            root, prefix = self.home.quarantined_files_of(self.model), "quarantine/files/"
            for name, entry in self.entries(prefix).items():
                yield LiveFile(f"{prefix}{name}", root, name, -1, entry, optional=True)
        seen: set[str] = set()
        for manifest in self.manifests if self.kind == "model" else ():
            version, place = str(manifest.facts.get("version")), str(manifest.facts.get("artifact_path") or "")
            if not place or version in seen:
                continue
            seen.add(version)
            root = f"{self.home.artifacts}/{_checked(place, manifest.subject)}"
            for entry in manifest.files:
                name = entry.path.removeprefix("artifacts/")
                if name != entry.path and name not in _WRITTEN_AGAIN:
                    yield LiveFile(f"v{version}/{entry.path}", root, name, -1, entry)

    def _trained_on(self) -> list[int]:
        versions = self.manifests[0].facts.get("readable_versions") if self.manifests else []
        return [one for one in versions if isinstance(one, int)] if isinstance(versions, list) else []


def _checked(place: str, subject: str) -> str:
    try:
        return check_path(place)
    except ValueError as error:
        raise IntegrityError(f"{subject}: artifact_path: {error}") from error


def problem_of(file: LiveFile, tracking_uri: str) -> str:
    """Read a file whole and say what is wrong with it; empty: nothing.

    Raises:
        TransientError: its store is unreachable.
    """
    try:
        found = hash_served(file.root, file.name, tracking_uri) if is_served(file.root) else hash_file(file.uri)
    except FileNotFoundError:
        return "" if file.optional else GONE
    if file.entry is not None:
        return "" if found == file.entry.sha256 else f"has SHA-256 {found[:12]}, expected {file.entry.sha256[:12]}"
    return _unreadable(file)


def _unreadable(file: LiveFile) -> str:
    """What can be said of a file of which no snapshot knows the hash."""
    if file.commit >= 0:
        return "" if is_commit(read_bytes(file.uri)) else "is no commit: empty, or no JSON"
    size = int((identity(file.uri) or "0").rsplit(" ", 1)[-1])
    if file.size >= 0 and size != file.size:
        return f"has {size} bytes, expected {file.size}"
    return decode_problem(file.uri)


def slot_of(path: str, slots: int) -> int:
    """The turn of a file in the rolling check: the same for ever, whatever else there is."""
    return int(hashlib.sha256(path.encode()).hexdigest()[:8], 16) % slots


def check_subject_name(name: str) -> str:
    """Refuse what has no live files.

    Raises:
        DataError: it is no such subject.
    """
    kind, _, model = name.partition("/")
    if kind not in (*_TABLES, "model") or not model:
        raise DataError(f"got {name!r}, expected a model, or dataset/, outputs/ or model/ with a model's name")
    return name
