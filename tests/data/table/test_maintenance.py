"""Compaction changes no row; vacuum removes nothing that a model version was trained on, and stops in doubt."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from almanac.config.sections.retention.maintenance import Maintenance
from almanac.data.table.commit_record import committed_batches
from almanac.data.table.maintenance import compact, needed_versions, plan_maintenance, vacuum
from almanac.errors import DataError, IntegrityError, RegistryError, TransientError
from almanac.registry.records import ModelVersion, Tag
from tests.data.installation import NOW, Site, tiny_csv

AT_ONCE = timedelta()
COLUMNS = ["Time", "x", "kind", "_batch", "_row"]


@dataclass
class Registered:
    """A registry that holds model versions, each with the dataset version that it was trained on."""

    trained_on: tuple[int | None, ...] = ()
    joined: int | None = None

    def versions(self, model: str) -> list[ModelVersion]:
        return [
            ModelVersion(
                model=model,
                mlflow_run_id=f"run{number}",
                tags={} if version is None else {Tag.DATASET_VERSION: str(version)},
                version=str(number),
                aliases=(),
                created_at=NOW,
            )
            for number, version in enumerate(self.trained_on, start=1)
        ]

    def versions_joining(self, model: str) -> list[ModelVersion]:
        joined = {Tag.JOINED_VERSIONS: json.dumps({model: self.joined})}
        return [] if self.joined is None else [ModelVersion("other", "run9", joined, version="9")]


class Away:
    def versions(self, model: str) -> list[ModelVersion]:
        raise TransientError("MLflow is away")


@pytest.fixture
def site(site: Site) -> Site:
    """Six batches, one file each, versions 0 to 5."""
    for batch in range(6):
        site.land(f"{batch}.csv", tiny_csv([(batch * 10 + hour, batch, "a") for hour in range(10)]))
        site.ingest()
    return site


def rows(site: Site, version: int | None = None) -> list[tuple[Any, ...]]:
    return site.dataset.read(version=version, columns=COLUMNS).rows()


def parquet_files(site: Site) -> int:
    return len(list(Path(site.dataset.uri).rglob("*.parquet")))


def test_compact_joins_files_and_changes_no_row(site: Site) -> None:
    before = rows(site)
    assert compact(site.model, site.home) == 5
    assert rows(site) == before
    assert site.dataset.version() == 6
    assert compact(site.model, site.home) == 0
    assert site.dataset.version() == 6  # nothing to do is no commit


def test_vacuum_keeps_what_a_model_version_was_trained_on(site: Site) -> None:
    before = {version: rows(site, version) for version in (2, 5)}
    compact(site.model, site.home)
    registry = Registered((2, 2))
    plan = plan_maintenance(site.model, site.home, registry, keep_for=AT_ONCE)
    assert plan.needed == {2: ("weather@1", "weather@2"), 6: ("the newest",)}
    assert (plan.files, len(plan.removable), parquet_files(site)) == (1, 3, 7)
    done = vacuum(site.model, site.home, registry, keep_for=AT_ONCE)
    assert sorted(done.removable) == sorted(plan.removable)
    assert parquet_files(site) == 4
    assert rows(site, 2) == before[2]
    assert rows(site) == before[5]


def test_maintenance_leaves_exactly_once_as_it_was(site: Site) -> None:
    batches = [record.batch_id for record in committed_batches(site.dataset)]
    compact(site.model, site.home)
    vacuum(site.model, site.home, Registered(), keep_for=AT_ONCE)
    assert [record.batch_id for record in committed_batches(site.dataset)] == batches
    assert all(site.dataset.snapshot().holds(batch) for batch in batches)
    site.land("again.csv", tiny_csv([(hour, 0, "a") for hour in range(10)]))  # the bytes of the first batch
    assert site.ingest().duplicates == 1
    site.land("new.csv", tiny_csv([(hour, 1, "a") for hour in range(100, 105)]))
    assert site.ingest().published_rows == 5
    assert site.dataset.count() == 65


def test_vacuum_leaves_what_is_young(site: Site) -> None:
    compact(site.model, site.home)
    stranger = Path(site.dataset.uri) / "_month=2021-01" / "being-written.parquet"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_bytes(b"half")
    assert vacuum(site.model, site.home, Registered()).removable == ()
    assert stranger.exists()
    assert rows(site, 3) == rows(site)[:40]


@pytest.mark.parametrize(
    ("registry", "kind", "message"),
    [
        (Away(), TransientError, "MLflow is away"),
        (Registered((None,)), RegistryError, "dataset.version"),
        (
            Registered((99,)),
            IntegrityError,
            r"weather@1: was trained on dataset version 99, but the dataset has 0 to 6",
        ),
    ],
)
def test_vacuum_that_cannot_know_removes_nothing(
    site: Site, registry: Any, kind: type[Exception], message: str
) -> None:
    compact(site.model, site.home)
    with pytest.raises(kind, match=message):
        vacuum(site.model, site.home, registry, keep_for=AT_ONCE)
    assert parquet_files(site) == 7


def test_maintenance_without_a_dataset_says_so(tmp_path: Path, site: Site) -> None:
    empty = Site(tmp_path / "empty", site.model)
    with pytest.raises(DataError, match="no dataset, so there is nothing to maintain yet"):
        compact(empty.model, empty.home)
    assert needed_versions(site.model, Registered(), newest=3) == {3: ("the newest",)}


def test_maintenance_keep_for_less_than_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to"):
        Maintenance(keep_for=timedelta(hours=1))


def test_vacuum_keeps_what_a_version_of_another_model_joined(site: Site) -> None:
    compact(site.model, site.home)
    plan = vacuum(site.model, site.home, Registered((), joined=2), keep_for=AT_ONCE)  # type: ignore[arg-type]
    assert plan.needed[2] == ("other@9",)
    assert len(rows(site, version=2)) == 30


def checkpoints(site: Site) -> list[int]:
    return sorted(int(path.name[:20]) for path in Path(site.dataset.uri, "_delta_log").glob("*.checkpoint.parquet"))


def test_vacuum_removes_checkpoints_but_the_one_before_a_needed_version(site: Site) -> None:
    for version in (1, 2, 4):
        DeltaTable(site.dataset.uri, version=version).create_checkpoint()
    DeltaTable(site.dataset.uri).create_checkpoint()
    registry = Registered((3,))
    plan = plan_maintenance(site.model, site.home, registry, keep_for=AT_ONCE)
    assert (len(plan.checkpoints), checkpoints(site)) == (2, [1, 2, 4, 5])
    vacuum(site.model, site.home, registry, keep_for=AT_ONCE)
    assert checkpoints(site) == [2, 5]
    assert [len(rows(site, version)) for version in range(6)] == [10, 20, 30, 40, 50, 60]


def test_vacuum_leaves_young_checkpoints(site: Site) -> None:
    DeltaTable(site.dataset.uri, version=1).create_checkpoint()
    DeltaTable(site.dataset.uri).create_checkpoint()
    assert vacuum(site.model, site.home, Registered()).checkpoints == ()
    assert checkpoints(site) == [1, 5]
