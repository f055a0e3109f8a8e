"""The journal's rows made again: what commits, MLflow's tags and backup repositories know, and nothing changed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.backup.drill.drills import DrillResult, record
from almanac.backup.restore.journal_rebuild import RebuiltRows, rebuild_journal
from almanac.backup.snapshot.journal_rows import record_drills, record_taken
from almanac.backup.store.repository import BackupRepository
from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, RunRef
from almanac.registry.records import CHAMPION, ModelVersion
from tests.backup.repositories import snapshot, write_files
from tests.backup.world import MODEL, World
from tests.data.installation import Site, tiny_csv, tiny_dataset

RUN = RunRef("almanac journal rebuild", "now", started_by="ada")


class NoVersions:
    """A registry that nothing was registered in."""

    def versions(self, model: str) -> list[ModelVersion]:
        return []


class Away:
    """A registry that cannot be reached."""

    def versions(self, model: str) -> list[ModelVersion]:
        raise TransientError("MLflow is away")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two published batches, one with a quarantined row."""
    site = Site(tmp_path, load_model(MODELS_FOLDER / "weather.yaml").model_copy(update={"dataset": tiny_dataset()}))
    for first in (0, 10):
        rows = [(first + hour, hour, "a") for hour in range(3)]
        site.land(f"{first}.csv", tiny_csv([*rows, (first + 3, 99, "a")]))
        site.ingest()
    return site


def lost(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/rebuilt.db")


def test_batches_come_from_the_commits(site: Site, tmp_path: Path) -> None:
    journal = lost(tmp_path)
    expected = [RebuiltRows("batches of weather", 2, 0), RebuiltRows("promotions of weather")]
    assert list(rebuild_journal(site.home, [site.model], NoVersions(), [], journal, RUN)) == expected
    assert journal.batches(MODEL) == site.journal.batches(MODEL)
    assert site.ingest().published_rows == 0


def test_rows_that_are_there_stay_as_they_are(site: Site) -> None:
    (newest, oldest) = site.journal.batches(MODEL)
    site.journal.forget_batches(MODEL, [oldest.batch_id])
    sent = replace(newest, warnings=("a person has looked at it",))
    site.journal.record_batch(sent)
    parts = list(rebuild_journal(site.home, [site.model], NoVersions(), [], site.journal, RUN))
    assert parts[0] == RebuiltRows("batches of weather", 1, 1)
    assert site.journal.batches(MODEL) == [sent, oldest]
    assert {one.state for one in site.journal.batches(MODEL)} == {BatchState.PUBLISHED}


def test_promotions_come_from_the_tags_of_versions(world: World, tmp_path: Path) -> None:
    journal, home = lost(tmp_path), Home(home=tmp_path / "empty")
    parts = [list(rebuild_journal(home, [world.model], world.registry, [], journal, RUN))[1] for _ in range(2)]
    assert parts == [RebuiltRows("promotions of weather", 2, 0), RebuiltRows("promotions of weather", 0, 2)]

    def champions(of: Journal) -> list[tuple[object, ...]]:
        moves = [one for one in of.alias_moves(MODEL) if one.alias == CHAMPION]
        return [(one.from_version, one.to_version, one.reason, one.moved_at, one.run.started_by) for one in moves]

    assert champions(journal) == champions(Journal(world.home.journal_url))


def test_snapshots_and_drills_come_from_the_repository(repository: BackupRepository, tmp_path: Path) -> None:
    write_files(tmp_path / "source")
    taken, before, now = (
        snapshot(repository, tmp_path / "source"),
        Journal(f"sqlite:///{tmp_path}/one.db"),
        datetime.now(UTC),
    )
    record_taken(before, repository.uri, [taken], RUN)
    drill = DrillResult(taken.ref.subject, taken.ref.name, 5, True, ("opens",), now, 1.0, 2.0, repository.uri)
    record(repository, drill)
    record_drills(before, [drill], RUN)
    journal, home = lost(tmp_path), Home(home=tmp_path / "empty")
    for added, known in ((1, 0), (0, 1)):
        parts = list(rebuild_journal(home, [], NoVersions(), [repository], journal, RUN))
        subjects = (f"snapshots of {repository.uri}", f"drills of {repository.uri}")
        assert parts == [RebuiltRows(subject, added, known) for subject in subjects]
    assert journal.drills() == before.drills()
    (there,), (was,) = journal.snapshots(), before.snapshots()
    assert (there.subject, there.name, there.files) == (was.subject, was.name, was.files)


def test_store_that_is_away_is_named_and_stops_no_other(
    site: Site, repository: BackupRepository, tmp_path: Path
) -> None:
    batches, promotions, *others = rebuild_journal(site.home, [site.model], Away(), [repository], lost(tmp_path), RUN)
    assert (batches.added, promotions.problem) == (2, "MLflow is away")
    assert [one.problem for one in others] == ["", ""]
