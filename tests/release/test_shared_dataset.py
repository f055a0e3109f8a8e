"""What a shared dataset means to everything beside training; `test_shared_dataset_story` trains both models."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from almanac.backup.retention.needs import backed_up_versions
from almanac.backup.retention.pins import find_pins
from almanac.backup.snapshot.witnesses import _passports, raise_marks
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import repositories_of, run_backup
from almanac.cli.app import app
from almanac.cli.quarantine import _open
from almanac.config.home import Home
from almanac.control.model_summary import summarize
from almanac.data.formats.file_content import FileContent
from almanac.data.ingest.ingest import ingest_batches
from almanac.data.quarantine.readmission import Readmitter
from almanac.data.sources.fetch import fetch
from almanac.data.table.maintenance import needed_versions
from almanac.errors import ConfigError
from almanac.events.handled import waiting_dags
from almanac.events.states import States
from almanac.journal.table_marks import TableMarks
from almanac.monitoring.checks.data_freshness import Ages, judge_ages
from almanac.monitoring.findings import Condition, State
from almanac.monitoring.monitor import monitor
from almanac.preview.preview import preview_files
from almanac.registry.records import PASSED, Tag, TrainingContext
from almanac.registry.run_context import RunContext
from almanac.registry.store import Registry
from almanac.release.lineage import trace
from almanac.release.promotion import register
from almanac.services.landing import make_landing_folders
from almanac.training.candidate_log import log_candidate
from tests.release.test_shared_dataset_story import OWNER, RUN, SHARING, Two, declare
from tests.training.class_labels.sky import make_sky


@pytest.fixture(scope="module")
def two(trained, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """Three small files are ingested; a version that was trained on other rows stands for one of the sharing model."""
    folder = tmp_path_factory.mktemp("two")
    declare(folder / "models")
    home = Home(home=folder, models=folder / "models", MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
    two, world = Two(home, Registry.of(home)), make_sky(144)
    for first in (0, 48, 96):
        two.land(world[first : first + 48])
    context = TrainingContext(RUN, dataset_version=1, reason="a test")
    shared = trained.model.dataset.model_copy(update={"of": OWNER})
    candidate = replace(trained, model=trained.model.model_copy(update={"name": SHARING, "dataset": shared}))
    logged = log_candidate(two.registry, candidate, profile_json='{"rows": 1}', context=context)
    two.registry.client.set_tag(logged, Tag.GATES, PASSED)
    register(two.registry, SHARING, logged, run=RUN, journal=two.journal, now=two.owner.now)
    for subject in (f"model/{SHARING}", f"dataset/{OWNER}"):
        run_backup(home, [subject], run=RUN)
    return two


def test_version_of_the_sharing_model_needs_the_owners_rows(two: Two) -> None:
    version = two.registry.version(SHARING, "1")
    assert (version.dataset_owner, version.datasets) == (OWNER, {OWNER: 1})
    assert two.registry.versions_joining(SHARING) == []
    assert needed_versions(two.owner.model, two.registry, newest=2)[1] == (f"{SHARING}@1",)
    assert 1 not in needed_versions(two.sharing.model, two.registry, newest=2)  # of a dataset that it may get later
    backed_up = backed_up_versions(two.home, OWNER)
    assert [who.startswith(f"model/{SHARING}@") for who in backed_up[1]] == [True]
    assert backed_up_versions(two.home, SHARING) == {}


def test_snapshot_of_the_owners_dataset_keeps_that_version_and_is_pinned(two: Two) -> None:
    repository = repositories_of(two.home, "").first
    catalogue = Catalogue(repository)
    (dataset,) = catalogue.refs(f"dataset/{OWNER}")
    assert catalogue.read(dataset).facts["readable_versions"] == [1, 2]
    pins = find_pins(catalogue, {ref: catalogue.read(ref) for ref in catalogue.refs()}, two.registry, models=[SHARING])
    assert pins[dataset] == [f"what {SHARING}@1 (challenger) was trained on"]
    TableMarks(two.journal).replace(f"dataset/{OWNER}", None)
    said = raise_marks(two.home, repository, OWNER, two.journal, two.registry)
    assert [line for line in said if line.startswith(f"dataset/{OWNER}: at least version 2")]
    (of_dataset,) = _passports(OWNER, two.registry)
    assert (of_dataset.name, of_dataset.version) == (f"dataset/{OWNER}", 1)
    assert of_dataset.source == f"the passport of {SHARING}@1"
    assert list(_passports(SHARING, two.registry)) == []


def test_trace_of_the_sharing_model_names_the_owners_dataset(two: Two) -> None:
    found = trace(two.sharing.model, two.home, two.registry, "1")
    assert dict(found.steps())["dataset"].startswith(f"version 1 of the dataset of {OWNER}, ")
    assert [one.model for one in found.batches] == [OWNER, OWNER]


def test_monitor_of_the_sharing_model_leaves_the_data_to_the_owner(two: Two) -> None:
    found = {
        harbour.model.name: monitor(harbour.model, two.home, two.journal, two.registry, run=RUN, now=two.owner.now)
        for harbour in (two.owner, two.sharing)
    }
    conditions = {name: {one.condition for one in result.findings} for name, result in found.items()}
    assert Condition.QUALITY in conditions[OWNER]
    assert Condition.QUALITY not in conditions[SHARING]


def test_age_of_the_data_is_told_by_the_owner_alone(two: Two) -> None:
    ages = Ages(row=two.owner.now - timedelta(days=9), label=None, prediction=None, champion=None)
    said = {}
    for harbour in (two.owner, two.sharing):
        supply = harbour.model.monitor.supply.model_copy(update={"max_age": timedelta(days=1)})
        monitor = harbour.model.monitor.model_copy(update={"supply": supply})
        model = harbour.model.model_copy(update={"monitor": monitor})
        said[model.name] = [one.state for one in judge_ages(model, ages, two.owner.now) if one.subject == "data"]
        (row,) = summarize([model], two.journal, two.owner.now + timedelta(days=9))
        assert (row.dataset_version, row.is_late, "dataset" in row.snapshots) == (2, harbour is two.owner, True)
    assert said == {OWNER: [State.ALARM], SHARING: []}


def test_new_version_of_the_owners_dataset_is_news_for_both(two: Two) -> None:
    states = States(RunContext(two.home, two.journal, RUN, two.owner.now, registry_of=lambda _: two.registry))
    assert states.of(two.sharing.model, "dataset") == states.of(two.owner.model, "dataset") != ""
    waiting = {one.kind: one.names for one in waiting_dags(two.sharing.model)}
    assert "ingest" not in waiting
    assert waiting["backup_data"] == ("predictions",)
    assert waiting["score"] == ("dataset", "champion")


def test_files_land_for_the_owner_alone(two: Two, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{SHARING}: has no dataset of its own, it shares that of {OWNER}"):
        ingest_batches(two.sharing.model, two.home, two.journal, [], RUN)
    with pytest.raises(ConfigError, match="rows are readmitted"):
        Readmitter(two.sharing.model, two.home, two.journal, RUN, "a reason").readmit("b" * 64)
    with pytest.raises(ConfigError, match="files land"):
        fetch(two.sharing.model, None, two.home, two.journal, RUN)  # type: ignore[arg-type] - it is not asked
    make_landing_folders(two.home)
    assert Path(two.home.landing_of(OWNER)).is_dir()
    assert not Path(two.home.landing_of(SHARING)).exists()


def test_quarantine_of_the_sharing_model_is_the_owners(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(two.home.home))
    monkeypatch.setenv("ALMANAC_MODELS", str(two.home.models))
    told = CliRunner().invoke(app, ["dataset", SHARING])
    assert told.exit_code == 0, told.output
    assert f"dataset of {OWNER}" in told.output
    assert _open(SHARING)[1].name == OWNER


def test_preview_of_files_lands_them_for_the_sharing_model_itself(two: Two, tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    rows = make_sky(48).with_columns(pl.col("Hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    rows.write_csv(path)
    played = preview_files(
        two.sharing.model,
        two.home,
        [FileContent(path, path.name, "", path.stat().st_size)],
        now=two.owner.now,
        on_progress=lambda _: None,
    )
    assert played.counts["published rows"] == 48
    assert "labelled rows" in " ".join(played.problems)  # two days are too few to train on
