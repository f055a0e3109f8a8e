"""Keeps a dataset fast and small, and every version readable that a model version was trained on.

Retention is by reference first, by age second: what a registered model version names is never removed, however old.
Whatever cannot be known (a registry that is away, a version without its tag) stops the removal, and removes nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from almanac.config.files.loader import refuse_to_delete
from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.table.data_files import check_sizes, table_location
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.delta_table import MAINTENANCE, MONTH, open_table
from almanac.data.table.log_checkpoints import unneeded_checkpoints
from almanac.data.table.log_statistics import files_to_join
from almanac.data.table.table_guard import TableGuard
from almanac.data.table.unchanged import name_unchanged
from almanac.errors import AlmanacError, DataError, IntegrityError, TransientError
from almanac.journal.journal import Journal
from almanac.registry.records import ModelVersion
from almanac.storage.errors import describe
from almanac.storage.files import remove

log = logging.getLogger(__name__)

CROWDED = 200  # files that could be joined: reading and committing cost more with each
_SMALL_BYTES = 100 * 2**20  # what `compact` joins

BackedUp = Mapping[int, Sequence[str]]
"""Dataset versions that snapshots of models name, and those snapshots; see `almanac.backup.retention.needs`."""


class NeededVersions(Protocol):
    """Who knows which dataset versions are still needed; `almanac.registry.store.Registry` is one."""

    def versions(self, model: str) -> list[ModelVersion]:
        """All registered versions of a model."""

    def versions_joining(self, model: str) -> list[ModelVersion]:
        """All registered versions of other models that were trained on this one's dataset too."""


@dataclass(frozen=True)
class MaintenancePlan:
    """What would be done.

    Attributes:
        version: the dataset's newest version.
        files: how many files it has.
        needed: dataset version -> who needs it.
        removable: files that nobody needs.
        checkpoints: of the log, which nobody needs; its commits all stay.
    """

    version: int
    files: int
    needed: dict[int, tuple[str, ...]]
    removable: tuple[str, ...]
    checkpoints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON, for XCom; of the files only their number."""
        needed = {str(version): list(names) for version, names in self.needed.items()}
        counts = {"removable": len(self.removable), "checkpoints": len(self.checkpoints)}
        return {**asdict(self), "needed": needed, **counts}


def needed_versions(
    model: Declared, registry: NeededVersions, *, newest: int, backed_up: BackedUp = MappingProxyType({})
) -> dict[int, tuple[str, ...]]:
    """The dataset versions that must stay readable, and who needs each: model versions, snapshots, readers.

    Args:
        model: whose dataset.
        registry: asked for all model versions, whatever became of them.
        newest: the dataset's newest version.
        backed_up: versions that snapshots name, also of model versions that are no longer registered.

    Raises:
        RegistryError: a model version does not say what it was trained on.
        IntegrityError: one names a version that the dataset does not have.
        TransientError: the registry is unreachable.
    """
    needed: dict[int, list[str]] = {newest: ["the newest"]}
    own = [one for one in registry.versions(model.name) if one.dataset_owner == model.name]
    others = registry.versions_joining(model.name)
    for version in own:
        name = f"{model.name}@{version.version}"
        if not 0 <= version.dataset_version <= newest:
            raise IntegrityError(
                f"{name}: was trained on dataset version {version.dataset_version}, but the dataset has 0 to {newest};"
                f" nothing is removed. Was an older dataset restored? Restore the right one first."
            )
        needed.setdefault(version.dataset_version, []).append(name)
    for version in others:
        if (number := version.version_of(model.name)) is not None:
            needed.setdefault(number, []).append(f"{version.model}@{version.version}")
    for number, snapshots in backed_up.items():
        if 0 <= number <= newest:
            needed.setdefault(number, []).extend(snapshots)
    return {number: tuple(needed[number]) for number in sorted(needed)}


def plan_maintenance(
    model: Declared,
    home: Home,
    registry: NeededVersions,
    *,
    keep_for: timedelta | None = None,
    backed_up: BackedUp = MappingProxyType({}),
) -> MaintenancePlan:
    """Say what `vacuum` would remove; nothing is changed.

    Args:
        model: whose dataset.
        home: where it is.
        registry: who needs which version.
        keep_for: what is younger stays in any case; none: as declared.
        backed_up: what snapshots need.

    Raises:
        DataError: there is no dataset.
        RegistryError, IntegrityError, TransientError: see `needed_versions`.
    """
    return _vacuum(model, home, registry, keep_for, backed_up, dry_run=True)


def compact(model: Declared, home: Home) -> int:
    """Join the small files of each month in one commit that changes no row, and return how many files it saved.

    Before it, one commit names the batches that brought nothing since the last one: the journal may forget them then.

    Raises:
        DataError: there is no dataset.
        TransientError: the store is unreachable, or another writer rewrote the same files meanwhile.
    """
    from deltalake import CommitProperties, WriterProperties
    from deltalake.exceptions import DeltaError

    table, guard = _open(model, home)
    check_sizes(table)
    name_unchanged(DatasetTable.of(home, model), Journal(home.journal_url), model.name)
    try:
        table.update_incremental()
        done: Mapping[str, Any] = table.optimize.compact(
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(custom_metadata={MAINTENANCE: "compact"}),
        )
    except (DeltaError, OSError) as error:
        raise TransientError(
            f"{table_location(table)}: could not be compacted: {describe(error)}; it is tried again"
        ) from None
    guard.advance(int(table.version()))
    return int(done["numFilesRemoved"]) - int(done["numFilesAdded"])


def compact_crowded(model: Declared, home: Home, dataset: DatasetTable) -> int:
    """Compact a dataset that has many small files, whatever its schedule says; how many files that saved.

    What cannot be done now is no reason to fail for who published: it is tried again after the next file.

    Args:
        model: whose.
        home: where it is.
        dataset: the same, as it is opened already.
    """
    try:
        table = dataset.snapshot().table
        if table is None or files_to_join(table, MONTH, _SMALL_BYTES) <= CROWDED:
            return 0
        return compact(model, home)
    except AlmanacError as error:
        log.warning("%s: %s", model.name, error)
        return 0


def vacuum(
    model: Declared,
    home: Home,
    registry: NeededVersions,
    *,
    keep_for: timedelta | None = None,
    backed_up: BackedUp = MappingProxyType({}),
) -> MaintenancePlan:
    """Remove the files that no needed version has and that left the dataset longer than `keep_for` ago.

    And checkpoints of the log of that age which nobody needs; see `almanac.data.table.log_checkpoints`.

    Files that never were in a commit, left by a killed process, go at the same age.

    Args:
        model: whose dataset.
        home: where it is.
        registry: who needs which version; asked again.
        keep_for: what is younger stays in any case; none: as declared.
        backed_up: what snapshots need.

    Returns:
        What was removed.

    Raises:
        ConfigError: a YAML is broken, of whatever model; nothing was removed.
        DataError: there is no dataset.
        RegistryError, IntegrityError, TransientError: see `needed_versions`; nothing was removed.
    """
    refuse_to_delete(home.models, "removed from a dataset")
    return _vacuum(model, home, registry, keep_for, backed_up, dry_run=False)


def _vacuum(
    model: Declared,
    home: Home,
    registry: NeededVersions,
    keep_for: timedelta | None,
    backed_up: BackedUp,
    *,
    dry_run: bool,
) -> MaintenancePlan:
    from deltalake.exceptions import DeltaError

    table, guard = _open(model, home)
    version, files = int(table.version()), len(table.file_uris())
    needed = needed_versions(model, registry, newest=version, backed_up=backed_up)
    age = model.maintenance.keep_for if keep_for is None else keep_for
    try:
        removable = table.vacuum(
            retention_hours=int(age / timedelta(hours=1)),
            dry_run=dry_run,
            enforce_retention_duration=False,  # ours is declared, and at least a day
            full=True,
            keep_versions=list(needed),
        )
    except (DeltaError, OSError) as error:
        raise TransientError(
            f"{table_location(table)}: could not be cleaned: {describe(error)}. Check the store's permissions."
        ) from None
    checkpoints = unneeded_checkpoints(home.dataset_of(model.name), needed, now=datetime.now(UTC), readers=age)
    if not dry_run:
        for file in checkpoints:
            remove(file.uri)
        guard.advance(int(open_table(guard.uri).version()))
    return MaintenancePlan(version, files, needed, tuple(removable), tuple(file.name for file in checkpoints))


def _open(model: Declared, home: Home) -> tuple[Any, TableGuard]:
    guard = TableGuard.of(home, "dataset", model.name)
    table = open_table(guard.uri)
    guard.check(table)
    if table is None:
        raise DataError(f"{guard.uri}: no dataset, so there is nothing to maintain yet")
    return table, guard
