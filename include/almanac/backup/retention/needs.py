"""What snapshots need of the rest of the installation."""

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository, open_store
from almanac.config.home import Home


def backed_up_versions(home: Home, model: str) -> dict[int, list[str]]:
    """The dataset versions that the snapshots of a model name: their model version can be rebuilt only from these.

    Raises:
        IntegrityError: a manifest is damaged, so that its needs are unknown.
        TransientError: the repository is unreachable.
    """
    catalogue = Catalogue(
        BackupRepository(open_store(home.backups), None)
    )  # signatures are not checked: keeping more is harmless
    needed: dict[int, list[str]] = {}
    for ref in catalogue.refs(f"model/{model}"):
        version = catalogue.read(ref).facts.get("dataset_version")
        if isinstance(version, int):
            needed.setdefault(version, []).append(str(ref))
    return needed
