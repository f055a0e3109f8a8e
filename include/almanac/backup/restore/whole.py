"""Whether an installation is whole after a restore to its live locations."""

from typing import TYPE_CHECKING

from almanac.backup.restore.airflow_secrets import unreadable_secrets
from almanac.backup.restore.compare import Difference, compare
from almanac.backup.restore.live import members
from almanac.backup.store.manifest import Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.errors import AlmanacError

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_OF_MODELS = ("model", "dataset", "outputs", "checkpoints")


def differences(home: Home, registry: "Registry", repository: BackupRepository, ref: Ref) -> list[Difference]:
    """What journal, registry and data do not know alike after a restore of a snapshot or group.

    Args:
        home: where it was restored.
        registry: of that home.
        repository: where the snapshot is.
        ref: which.
    """
    subjects = {one.subject for one in members(repository, ref)}
    models = {name for kind, _, name in (subject.partition("/") for subject in subjects) if kind in _OF_MODELS}
    if not models and subjects & {"database/mlflow", "database/journal"}:
        models = {model.name for model in load_models(home.models).models}
    found = compare(home, registry, models) if models else []
    if "database/airflow" in subjects:
        try:
            # what the backup holds is back; the key to it was never in a backup
            found += [Difference(text, lost=False) for text in unreadable_secrets(home)]
        except AlmanacError as error:
            found.append(Difference(f"Airflow's connections cannot be read: {error}"))
    return found
