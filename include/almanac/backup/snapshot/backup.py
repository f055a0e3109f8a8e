"""Takes the snapshots of an installation: model versions, datasets, outputs, databases, and all of these as a group."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from almanac.backup.installation import database, databases, exists
from almanac.backup.retention.protected import last_declared
from almanac.backup.snapshot.sources import below
from almanac.backup.snapshot.writer import Draft, WrittenSnapshot, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.facts import model_facts
from almanac.backup.store.manifest import Fact, GroupMember, Maker, Manifest, Ref, check_subject
from almanac.backup.store.repository import BackupRepository
from almanac.backup.subjects.dataset import dataset_draft
from almanac.backup.subjects.model import model_draft
from almanac.backup.subjects.outputs import outputs_draft
from almanac.backup.subjects.postgres import postgres_draft
from almanac.backup.subjects.sqlite import sqlite_draft
from almanac.config.home import Home
from almanac.errors import ConfigError, IntegrityError, RegistryError, TransientError, raise_together
from almanac.registry.records import ModelVersion, foreign_words

if TYPE_CHECKING:
    from almanac.registry.store import Registry

log = logging.getLogger(__name__)

MLFLOW = "mlflow"


@dataclass(frozen=True)
class BackupRun:
    """One backup run of an installation. What cannot be taken never stops the rest; see `faults` and `check`.

    Args:
        home: what is backed up.
        repository: where to.
        maker: author and reason.
        registry: names model versions.
        clock: gives the snapshots' time.
        reread: read every file, also those that look unchanged.

    Attributes:
        faults: what could not be taken, by its name, and why.
        notes: what was left out on purpose, in words.

    Raises:
        IntegrityError: on taking one thing, when it is damaged already.
        TransientError: when a store, MLflow or a database is unreachable.
    """

    home: Home
    repository: BackupRepository
    maker: Maker
    registry: "Registry"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    reread: bool = False
    faults: list[tuple[str, Exception]] = field(default_factory=list, compare=False)
    notes: list[str] = field(default_factory=list, compare=False)

    def check(self) -> None:
        """Say what could not be taken.

        Raises:
            TransientError: there is something, and some of it may be taken by another try.
            AlmanacError: there is one thing: what was wrong with it.
            IntegrityError: there are more.
        """
        raise_together("not everything was backed up; the rest was", self.faults)

    def problem_texts(self) -> list[str]:
        """What could not be taken, and why, a line each."""
        return [f"{what}: {error}" for what, error in self.faults]

    def model(self, name: str, *, only: str = "") -> list[WrittenSnapshot]:
        """Every version of a model that is not in a snapshot as it is now, the oldest first; the newest is the last.

        Versions that somebody else has registered are named in `notes`; what is wrong with one stands in `faults`.

        Args:
            name: the model.
            only: one version's number.
        """
        known = self._known_versions(name)
        found = [one for one in reversed(self.registry.registered(name)) if only in ("", one.version)]
        self.notes.extend(foreign_words(one) for one in found if one.is_foreign)
        taken: list[WrittenSnapshot] = []
        for version in (one for one in found if not one.is_foreign):
            taken += self._tried(f"model/{name}@{version.version}", self._version, version, known)
        return taken

    def dataset(self, name: str) -> WrittenSnapshot | None:
        """The dataset at its newest version; None before the first batch."""
        readable: set[int] = set()
        for version in (*self.registry.versions(name), *self.registry.versions_joining(name)):
            try:
                if (number := version.version_of(name)) is not None:
                    readable.add(number)
            except RegistryError as error:  # the rows it needs are unknown: those of the others are kept
                self.faults.append((f"dataset/{name}", error))
        draft = dataset_draft(self.home, name, readable=readable)
        return None if draft is None else self._take(draft)

    def outputs(self, name: str) -> WrittenSnapshot | None:
        """Predictions, quarantine and reports; None when there is none."""
        draft = outputs_draft(self.home, name, landing=self._with_landing(name))
        return None if draft is None else self._take(draft)

    def checkpoints(self, name: str) -> WrittenSnapshot | None:
        """Of trainings of a model, with their loss logs; None when there are none."""
        files = below(self.home.checkpoints_of(name))
        return self._take(Draft(f"checkpoints/{name}", files, {"files": len(files)})) if files else None

    def folder(self, name: str, uri: str) -> list[WrittenSnapshot]:
        """Any folder, of this machine or in an object store: its regular files; none when there is none.

        Args:
            name: what its snapshots are called: `folder/NAME`.
            uri: where it is.

        Raises:
            ConfigError: the name cannot be one.
        """
        try:
            subject = check_subject(f"folder/{name}")
        except ValueError as error:
            raise ConfigError(f"{uri}: {error}, such as folder/port_logs") from error
        files = below(uri)
        return [self._take(Draft(subject, files, {"files": len(files), "uri": uri}))] if files else []

    def database(self, name: str) -> WrittenSnapshot:
        """One database.

        Raises:
            ConfigError: there is no such database, or its kind cannot be backed up.
        """
        with _database_draft(name, database(self.home, name)) as draft:
            return self._take(draft)

    def subjects(self, texts: Sequence[str], *, version: str = "") -> list[WrittenSnapshot]:
        """Those of several; see `subject`. What cannot be taken stands in `faults`."""
        return [one for text in texts for one in self._tried(text, partial(self.subject, text, version=version))]

    def folders(self, named: Mapping[str, str]) -> list[WrittenSnapshot]:
        """Those of several folders, by their names; see `folder`. What cannot be taken stands in `faults`."""
        return [one for name, uri in named.items() for one in self._tried(f"folder/{name}", self.folder, name, uri)]

    def subject(self, text: str, *, version: str = "") -> list[WrittenSnapshot]:
        """Snapshots of a subject that a person names; none when there is nothing yet.

        Args:
            text: `model/NAME`, `dataset/NAME`, `outputs/NAME`, `checkpoints/NAME` or `database/NAME`.
            version: of a model: only this one.

        Raises:
            ConfigError: it is none of these.
        """
        kind, _, name = text.partition("/")
        match kind:
            case "model":
                return self.model(name, only=version)
            case "dataset" | "outputs" | "checkpoints":
                of = {"dataset": self.dataset, "outputs": self.outputs, "checkpoints": self.checkpoints}
                taken = of[kind](name)
                return [taken] if taken else []
            case "database":
                return [self.database(name)]
            case _:
                raise ConfigError(
                    f"not a subject of backups; got {text!r}, expected model/NAME, dataset/NAME, outputs/NAME,"
                    " checkpoints/NAME or database/NAME; without any: everything"
                )

    def everything(self, models: Sequence[str]) -> WrittenSnapshot:
        """Databases first, then the artifacts that they name, tied by one group; it says what could not be taken.

        Raises:
            IntegrityError, TransientError: nothing at all could be taken; no group was written.
        """
        taken = self._registered(models)
        for name, url in databases(self.home).items():
            if name != MLFLOW and exists(url):
                taken += self._tried(f"database/{name}", self.database, name)
        for name in models:
            for kind, of in (("dataset", self.dataset), ("outputs", self.outputs), ("checkpoints", self.checkpoints)):
                taken += self._tried(f"{kind}/{name}", of, name)
        if not taken:
            self.check()
        members = tuple(GroupMember(subject=one.ref.subject, name=one.ref.name) for one in taken)
        facts: dict[str, Fact] = {"home": str(self.home.home), "snapshots": len(members)}
        if self.faults:
            facts["missing"] = [what for what, _ in self.faults]
        return self._take(Draft("group/all", (), facts, members=members))

    def _registered(self, models: Sequence[str]) -> list[WrittenSnapshot]:
        """MLflow's database, then every version in it; again, when somebody moved an alias meanwhile.

        Raises:
            TransientError: somebody moved one each time, or MLflow is unreachable; its database is taken all the same.
        """
        there = exists(database(self.home, MLFLOW))  # else it is another machine's, which backs it up itself
        errors, notes = list(self.faults), list(self.notes)
        taken: list[WrittenSnapshot] = []
        for _ in range(3):
            self.faults[:], self.notes[:] = errors, notes
            taken = self._tried(f"database/{MLFLOW}", self.database, MLFLOW) if there else []
            try:
                before = {name: self.registry.aliases(name) for name in models}
                taken += [one for name in models for one in self._tried(f"model/{name}", self.model, name)]
                if before == {name: self.registry.aliases(name) for name in models}:
                    return taken
            except (RegistryError, TransientError) as error:
                self.faults.append(("model versions", error))
                return taken
        moved = TransientError("aliases of model versions changed during three backups in a row; try again later")
        self.faults.append(("model versions", moved))
        return taken

    def _tried(
        self, what: str, take: Callable[..., WrittenSnapshot | list[WrittenSnapshot] | None], *asked: object
    ) -> list[WrittenSnapshot]:
        """What was taken; nothing, and a fault, when it cannot be, whatever went wrong."""
        try:
            taken = take(*asked)
        except Exception as error:  # noqa: BLE001 - one bad thing never stops the others
            log.warning("%s could not be backed up: %s", what, error)
            self.faults.append((what, error))
            return []
        if taken is None:
            return []
        return taken if isinstance(taken, list) else [taken]

    def _with_landing(self, name: str) -> bool:
        declared = last_declared(self.home, name)
        return declared is not None and declared.backup.landing

    def _take(self, draft: Draft, same_as: tuple[Ref, Manifest] | None = None) -> WrittenSnapshot:
        return take(self.repository, draft, maker=self.maker, clock=self.clock, reread=self.reread, same_as=same_as)

    def _version(self, version: ModelVersion, known: Mapping[str, tuple[Ref, Manifest]]) -> WrittenSnapshot:
        with model_draft(self.home, self.registry, version) as draft:
            return self._take(draft, known.get(version.version))

    def _known_versions(self, name: str) -> Mapping[str, tuple[Ref, Manifest]]:
        """The newest snapshot of each version; damaged ones do not count, so that they are backed up again."""
        return {model_facts(manifest).version: (ref, manifest) for ref, manifest in _readable(self.repository, name)}


def _readable(repository: BackupRepository, name: str) -> Iterator[tuple[Ref, Manifest]]:
    catalogue = Catalogue(repository)
    for ref in catalogue.refs(f"model/{name}"):
        try:
            manifest = catalogue.read(ref)
            model_facts(manifest)
        except IntegrityError:
            continue
        yield ref, manifest


def _database_draft(name: str, url: URL) -> AbstractContextManager[Draft]:
    match url.get_backend_name():
        case "sqlite":
            return sqlite_draft(name, Path(str(url.database)))
        case "postgresql":
            return postgres_draft(name, url)
        case other:
            raise ConfigError(f"database/{name}: cannot be backed up; got {other}, expected sqlite or postgresql")
