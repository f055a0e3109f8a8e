"""Takes the snapshots of an installation: model versions, datasets, outputs, databases, and all of these as a group."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from include.backup.catalogue import Catalogue
from include.backup.facts import model_facts
from include.backup.installation import database, databases, exists
from include.backup.manifest import Maker, Manifest, Member, Ref
from include.backup.place import Place
from include.backup.sources import below
from include.backup.subjects.dataset import dataset_draft
from include.backup.subjects.model import model_draft
from include.backup.subjects.outputs import outputs_draft
from include.backup.subjects.postgres import postgres_draft
from include.backup.subjects.sqlite import sqlite_draft
from include.backup.writer import Draft, Taken, take
from include.config.home import Home
from include.config.loader import find_model
from include.errors import ConfigError, IntegrityError, TransientError
from include.registry.records import ModelVersion

if TYPE_CHECKING:
    from include.registry.store import Registry

MLFLOW = "mlflow"


@dataclass(frozen=True)
class Backup:
    """One backup run of an installation.

    Args:
        home: what is backed up.
        place: where to.
        maker: who and why.
        registry: names model versions.
        clock: gives the snapshots' time.
        reread: read every file, also those that look unchanged.

    Raises:
        IntegrityError: on every method, when something is damaged already.
        TransientError: when a store, MLflow or a database is away.
    """

    home: Home
    place: Place
    maker: Maker
    registry: "Registry"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    reread: bool = False

    def model(self, name: str, *, only: str = "") -> list[Taken]:
        """Every version of a model that is not in a snapshot as it is now, the oldest first; the newest is the last.

        Args:
            name: the model.
            only: one version's number.
        """
        known = self._known_versions(name)
        found = [one for one in self.registry.versions(name) if only in ("", one.version)]
        return [self._version(version, known.get(version.version)) for version in reversed(found)]

    def dataset(self, name: str) -> Taken | None:
        """The dataset at its newest version; None before the first batch."""
        readable = {version.dataset_version for version in self.registry.versions(name)}
        draft = dataset_draft(self.home, name, readable=readable)
        return None if draft is None else self._take(draft)

    def outputs(self, name: str) -> Taken | None:
        """Predictions, quarantine and reports; None when there is none."""
        draft = outputs_draft(self.home, name, landing=self._with_landing(name))
        return None if draft is None else self._take(draft)

    def checkpoints(self, name: str) -> Taken | None:
        """Of trainings of a model, with their loss logs; None when there are none."""
        files = below(self.home.checkpoints_of(name))
        return self._take(Draft(f"checkpoints/{name}", files, {"files": len(files)})) if files else None

    def database(self, name: str) -> Taken:
        """One database.

        Raises:
            ConfigError: there is no such database, or its kind cannot be backed up.
        """
        with _database_draft(name, database(self.home, name)) as draft:
            return self._take(draft)

    def subject(self, text: str, *, version: str = "") -> list[Taken]:
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
                    f"not something to back up; got {text!r}, expected model/NAME, dataset/NAME, outputs/NAME,"
                    " checkpoints/NAME or database/NAME; without any: everything"
                )

    def everything(self, models: list[str]) -> Taken:
        """Databases first, then the artifacts that they name, tied by one group."""
        taken = self._registered(models)
        taken += [self.database(name) for name, url in databases(self.home).items() if name != MLFLOW and exists(url)]
        for name in models:
            of_model = (self.dataset(name), self.outputs(name), self.checkpoints(name))
            taken += [one for one in of_model if one is not None]
        members = tuple(Member(subject=one.ref.subject, name=one.ref.name) for one in taken)
        draft = Draft("group/all", (), {"home": str(self.home.home), "snapshots": len(members)}, members=members)
        return self._take(draft)

    def _registered(self, models: list[str]) -> list[Taken]:
        """MLflow's database, then every version in it; again, when somebody moved an alias meanwhile.

        Raises:
            TransientError: somebody moved one each time.
        """
        there = exists(database(self.home, MLFLOW))  # else it is another machine's, which backs it up itself
        for _ in range(3):
            before = {name: self.registry.aliases(name) for name in models}
            taken = [self.database(MLFLOW)] if there else []
            taken += [one for name in models for one in self.model(name)]
            if before == {name: self.registry.aliases(name) for name in models}:
                return taken
        raise TransientError("aliases of model versions moved during three backups in a row; try again later")

    def _with_landing(self, name: str) -> bool:
        try:
            return find_model(self.home.models, name).backup.landing
        except ConfigError:  # no longer declared; its outputs are backed up all the same
            return False

    def _take(self, draft: Draft, same_as: tuple[Ref, Manifest] | None = None) -> Taken:
        return take(
            self.place, draft, maker=self.maker, clock=self.clock, reread=self.reread, same_as=same_as
        )  # fmt: skip

    def _version(self, version: ModelVersion, known: tuple[Ref, Manifest] | None) -> Taken:
        with model_draft(self.home, self.registry, version) as draft:
            return self._take(draft, known)

    def _known_versions(self, name: str) -> Mapping[str, tuple[Ref, Manifest]]:
        """The newest snapshot of each version; damaged ones do not count, so that they are taken anew."""
        return {model_facts(manifest).version: (ref, manifest) for ref, manifest in _readable(self.place, name)}


def _readable(place: Place, name: str) -> Iterator[tuple[Ref, Manifest]]:
    catalogue = Catalogue(place)
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
