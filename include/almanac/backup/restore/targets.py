"""Where a snapshot belongs in an installation, and whether something is there already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from almanac.backup.installation import database
from almanac.backup.snapshot.sources import below
from almanac.backup.store.facts import database_facts, is_model, model_facts
from almanac.backup.store.manifest import Manifest
from almanac.backup.subjects.outputs import table_locations
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.registry.served_artifacts import holds_files, is_served
from almanac.storage.files import local_path
from almanac.storage.objects import is_remote


class NoTargetError(ConfigError):
    """A snapshot does not say where it belongs, so that it can only be restored to a folder."""


@dataclass(frozen=True)
class Target:
    """One file or folder of a snapshot, and where it belongs.

    Attributes:
        path: in the snapshot; empty: all of it.
        uri: a file or folder of this machine, of a store, or of MLflow's server.
    """

    path: str
    uri: str

    @property
    def local(self) -> Path | None:
        """Its path, if it is on this machine."""
        return None if is_served(self.uri) or is_remote(self.uri) else local_path(self.uri)


def targets_of(home: Home, manifest: Manifest) -> list[Target]:
    """Where the files of a snapshot belong; none for a database of a server, see `server_of`.

    Raises:
        NoTargetError: it does not belong to one place of this installation.
        ConfigError: there is no such database here, or it is of another kind now.
        IntegrityError: its manifest does not say where, or says something that is no place.
    """
    kind, name = manifest.subject.split("/")
    match kind:
        case "dataset":
            return [Target("", home.dataset_of(name))]
        case "outputs":
            locations = {
                **table_locations(home, name),
                "quarantine/files": home.quarantined_files_of(name),
                "reports": home.reports_of(name),
                "landing": home.landing_of(name),
                "ingested": home.ingested_of(name),
            }
            held = [path for path in locations if any(entry.path.startswith(f"{path}/") for entry in manifest.files)]
            return [Target(path, locations[path]) for path in held]
        case "checkpoints":
            return [Target("", home.checkpoints_of(name))]
        case "model" if path := model_facts(manifest).artifact_path:
            return [Target("artifacts", f"{home.artifacts}/{path}")]
        case "database":
            return [] if server_of(home, manifest) else [Target(f"{name}.db", str(database(home, name).database))]
        case _:
            raise NoTargetError(
                f"{manifest.subject}: has no single live location; restore it with --to, then see docs/operations.md"
            )


def server_of(home: Home, manifest: Manifest) -> URL | None:
    """The PostgreSQL database that a snapshot is loaded into; None for everything else.

    Raises:
        ConfigError: there is no such database here, or it is of another kind now.
    """
    kind, name = manifest.subject.split("/")
    if kind != "database":
        return None
    url, engine = database(home, name), database_facts(manifest).engine
    if url.get_backend_name() != engine:
        raise ConfigError(
            f"{manifest.subject}: was {engine} and is {url.get_backend_name()} here; restore it with --to, or name a"
            f" database of that kind"
        )
    return url if engine == "postgresql" else None


def check_free(targets: Sequence[Target], replace: bool, tracking_uri: str) -> None:
    """Refuse to write over what is there.

    Args:
        targets: of one snapshot.
        replace: what lies on this machine may be there; it is moved aside.
        tracking_uri: of MLflow.

    Raises:
        ConfigError: something is there.
        TransientError: a store, or MLflow's server, is away.
    """
    for target in targets:
        if target.local is None:
            used: Callable[[], bool] = (
                (lambda: holds_files(target.uri, tracking_uri))  # noqa: B023 - called at once
                if is_served(target.uri)
                else (lambda: bool(below(target.uri)))  # noqa: B023
            )
            if used():
                raise ConfigError(f"{target.uri}: already exists. Remove it, or restore with --to and compare both")
        elif is_used(target.local) and not replace:
            raise ConfigError(
                f"{target.local}: already exists. Give --replace to move it aside, or --to another folder"
            )


def is_used(path: Path) -> bool:
    """Whether a place of this machine holds anything; an empty folder is free."""
    if path.is_symlink() or not path.is_dir():
        return path.is_symlink() or path.exists()
    return any(path.iterdir())


def version_of(manifest: Manifest) -> str:
    """`model@version` of a model version's snapshot; the subject of any other."""
    if not is_model(manifest):
        return manifest.subject
    return f"{manifest.subject.split('/')[1]}@{model_facts(manifest).version}"
