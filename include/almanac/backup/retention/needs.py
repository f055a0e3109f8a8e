"""What snapshots need of the rest of the installation."""

from collections.abc import Iterator

from almanac.backup.retention.protected import last_declared, protected_models
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository, open_store
from almanac.config.home import Home


def backed_up_versions(home: Home, model: str) -> dict[int, list[str]]:
    """The versions of a model's dataset that snapshots of models name, its own or of those that share it.

    Their model versions can be rebuilt only from these.

    Raises:
        IntegrityError: a manifest is damaged, so that its needs are unknown.
        TransientError: the repository is unreachable.
    """
    catalogue = Catalogue(
        BackupRepository(open_store(home.backups), None)
    )  # signatures are not checked: keeping more is harmless
    needed: dict[int, list[str]] = {}
    for name in (model, *_sharing(home, model)):
        for ref in catalogue.refs(f"model/{name}"):
            facts = catalogue.read(ref).facts
            version = facts.get("dataset_version")
            if isinstance(version, int) and (facts.get("dataset_of") or name) == model:
                needed.setdefault(version, []).append(str(ref))
    return needed


def _sharing(home: Home, owner: str) -> Iterator[str]:
    """The models whose snapshots may name versions of another one's dataset; of one that is unknown, it may be."""
    for name in protected_models(home).models:
        declared = last_declared(home, name)
        if name != owner and (declared is None or declared.dataset_owner == owner):
            yield name
