"""Everything is done in a home whose path holds every character that is allowed, and nothing is written beside it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.restore.live import restore_live
from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.store.repository import BackupRepository, open_store
from almanac.cleanup.model_runs import ModelRuns
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.delta_table import read_table
from almanac.registry.store import Registry
from almanac.services.doctor import place_check
from almanac.services.loss_checks import database_rows, table_rows
from tests.backup.world import MODEL, ODD, ROWS, World
from tests.data.installation import Site, tiny_csv, tiny_dataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder in which the two homes lie; nothing else may be there at the end."""
    return tmp_path / "root"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_world_at_an_odd_path_is_backed_up_restored_to_another_and_used(
    world: World, repository: BackupRepository, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = names(world.home.home.parents[1])
    odd_place = BackupRepository(open_store(str(root / f"{ODD} backups")), repository.key)
    taken = world.backup(odd_place).everything([MODEL])
    home = Home(home=root / f"{ODD} reborn")
    restore_live(odd_place, taken.ref, home)

    registry = Registry.of(home)
    champion = registry.champion(MODEL)
    assert champion is not None
    assert registry.load_onnx(champion) == world.registry.load_onnx(champion)
    assert read_table(home.dataset_of(MODEL)).height == ROWS[3]
    restored = restore_to(Restores(odd_place, taken.ref, root / f"{ODD} looked at", use=True), print)
    assert not restored.damaged
    assert names(root) == [f"{ODD} backups", f"{ODD} looked at", f"{ODD} reborn"]
    assert names(world.home.home.parents[1]) == before


def test_old_runs_of_mlflow_are_removed_at_an_odd_path_and_no_folder_appears_beside_it(
    world: World, repository: BackupRepository
) -> None:
    before = names(world.home.home.parents[1])
    runs = ModelRuns(world.home, [MODEL], world.registry, repository, timedelta(days=365), datetime.now(UTC))
    assert runs._store() is not None
    assert names(world.home.home.parents[1]) == before


def test_files_are_ingested_at_an_odd_path_and_all_checks_are_well(root: Path) -> None:
    model = find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()})
    site = Site(root / ODD, model)
    site.land("one [1] #2.csv", tiny_csv([*((hour, 1, "a") for hour in range(9)), (9, 99, "a")]))
    site.ingest()
    site.land("two.csv", tiny_csv([(hour, 2, "b") for hour in range(10, 20)]))
    site.ingest()

    assert site.dataset.read().height == 19
    assert site.quarantined().height == 1
    rows = [*database_rows(site.home), *table_rows(site.home)]
    assert {row[1] for row in rows} == {"ok"}, rows
    assert {place_check(name, getattr(site.home, name)).state for name in ("landing", "datasets", "reports")} == {"ok"}
    assert names(root) == [ODD]
