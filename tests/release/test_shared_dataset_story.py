"""Two labels of one table: ingested once, two models trained, promoted, scored, watched, backed up and restored."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from almanac.backup.restore.compare import compare
from almanac.backup.restore.live import restore_live
from almanac.backup.retention.needs import backed_up_versions
from almanac.backup.retention.pins import find_pins
from almanac.backup.snapshot.witnesses import raise_marks
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import repositories_of, run_backup
from almanac.backup.tasks.run_restore import run_restore
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.maintenance import compact, needed_versions, vacuum
from almanac.journal.records import RunRef
from almanac.monitoring.findings import Condition
from almanac.preview.preview import preview_dataset
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from almanac.release.lineage import trace
from almanac.release.rebuild import rebuild
from almanac.scoring.predictions import PredictionTable
from tests.release.harbour import Harbour
from tests.training.class_labels.sky import HOURS, SKY, START, make_sky

OWNER, SHARING = "sky_of_two", "rain_of_two"  # other tests that share the registry use other names
LATER = 24 * 40
pytestmark = pytest.mark.slow
RUN = RunRef("backup_databases", "1", 1, "ada", "manual")
LOGISTIC = {"logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "scale": True, "params": {}}}


def declare(folder: Path) -> None:
    """The world of three classes, and a model of rain or not on the same rows."""
    folder.mkdir()
    shutil.copy(MODELS_FOLDER / "_defaults.yaml", folder)
    sky = yaml.safe_load(SKY)
    sky["train"]["candidates"] = LOGISTIC
    sky["score"], sky["monitor"] = {"window": "5d"}, sky["monitor"] | {"window": "20d", "drift": {"min_rows": 300}}
    label = {"name": "rain_in_4h", "column": "Weather", "equals": "rain", "horizon": "4h"}
    rain = sky | {"title": "Rain at the port", "dataset": {"of": OWNER}, "label": label}
    rain["gates"] = sky["gates"] | {"absolute": {"f1_macro": 0.6}}
    for name, tree in ((OWNER, sky), (SHARING, rain)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(tree), "utf-8")


class Two:
    """The owner's world, and the same with the model that shares its dataset."""

    def __init__(self, home: Home, registry: Registry) -> None:
        self.home, self.registry = home, registry
        both = [Harbour(find_model(home.models, name), home, registry, START, "logistic") for name in (OWNER, SHARING)]
        self.owner, self.sharing = both
        self.journal = self.owner.journal

    def land(self, frame) -> None:
        self.owner.land(frame)
        self.sharing.hours = self.owner.hours


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """Both are trained, at different versions of the dataset, crowned, have scored later rows, and are backed up."""
    folder = tmp_path_factory.mktemp("two")
    declare(folder / "models")
    home = Home(home=folder, models=folder / "models", MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
    two, world = Two(home, Registry.of(home)), make_sky(HOURS + LATER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
        patch.setattr("almanac.release.model_card._pictures", lambda *_: [])
        two.land(world[: HOURS - 24])
        for harbour, later in ((two.sharing, world[HOURS - 24 : HOURS]), (two.owner, world[HOURS:])):
            logged, verdict = harbour.train("first")
            assert verdict.accepted, verdict.reasons
            harbour.crown(harbour.register(logged, "first"))
            two.land(later)
        for harbour in (two.owner, two.sharing):
            harbour.score()
    for subjects in ([], [f"dataset/{OWNER}"]):
        run_backup(home, subjects, run=RUN)
    return two


def test_rows_are_ingested_once_and_both_models_are_trained_on_them(two: Two) -> None:
    assert DatasetTable.of(two.home, two.sharing.model).uri == two.home.dataset_of(OWNER)
    assert not Path(two.home.dataset_of(SHARING)).exists()
    assert not Path(two.home.landing_of(SHARING)).exists()
    versions = {name: two.registry.version(name, "1") for name in (OWNER, SHARING)}
    assert {name: (one.dataset_owner, one.dataset_version) for name, one in versions.items()} == {
        OWNER: (OWNER, 1),
        SHARING: (OWNER, 0),
    }
    assert Tag.DATASET_OF not in versions[OWNER].tags
    scored = {
        harbour.model.name: PredictionTable.of(two.home, harbour.model).read("1", since=START, until=two.owner.now)
        for harbour in (two.owner, two.sharing)
    }
    assert scored[OWNER]["time"].to_list() == scored[SHARING]["time"].to_list()[-scored[OWNER].height :]
    assert scored[SHARING].height > LATER - 24


def test_vacuum_of_the_owner_keeps_what_the_sharing_model_was_trained_on(two: Two) -> None:
    needed = needed_versions(two.owner.model, two.registry, newest=2, backed_up=backed_up_versions(two.home, OWNER))
    assert f"{SHARING}@1" in needed[0]
    assert any(who.startswith(f"model/{SHARING}@") for who in needed[0])
    assert f"{OWNER}@1" in needed[1]
    compact(two.owner.model, two.home)
    vacuum(two.owner.model, two.home, two.registry, keep_for=timedelta(0), backed_up={})
    read = DatasetTable.of(two.home, two.owner.model)
    assert [read.count(0), read.count(1)] == [HOURS - 24, HOURS]  # both are still whole
    assert read.read(version=0).height == HOURS - 24
    version = two.registry.version(SHARING, "1")
    again = rebuild(two.home, two.registry, version, on_progress=lambda _: None)
    assert [one.name for one in again.results if not one.same] == []


def test_snapshots_that_only_name_the_version_protect_it_too(two: Two) -> None:
    """The registry forgets the sharing model's version: its snapshot still needs the rows."""
    assert any(who.startswith(f"model/{SHARING}@") for who in backed_up_versions(two.home, OWNER)[0])
    assert backed_up_versions(two.home, SHARING) == {}


def test_backup_holds_both_models_and_one_dataset_that_stays_pinned(two: Two) -> None:
    catalogue = Catalogue(repositories_of(two.home, "").first)
    assert {f"dataset/{OWNER}", f"model/{OWNER}", f"model/{SHARING}", f"outputs/{SHARING}"} <= set(catalogue.subjects())
    assert f"dataset/{SHARING}" not in catalogue.subjects()
    dataset = catalogue.refs(f"dataset/{OWNER}")[-1]
    assert catalogue.read(dataset).facts["readable_versions"] == [0, 1, 2]
    manifests = {ref: catalogue.read(ref) for ref in catalogue.refs()}
    pins = find_pins(catalogue, manifests, two.registry, models=[SHARING])
    assert f"what {SHARING}@1 (champion) was trained on" in pins[dataset]
    assert compare(two.home, two.registry, [OWNER, SHARING]) == []
    raised = raise_marks(two.home, repositories_of(two.home, "").first, OWNER, two.journal, two.registry)
    assert raised == []  # no witness knows more than the table's mark does


def test_sharing_model_comes_back_from_its_snapshot(two: Two, tmp_path: Path) -> None:
    form = {"snapshot": f"model/{SHARING}", "where": "folder", "replace": False, "use": True, "second": False}
    assert run_restore(two.home, form, given_key="", run=RUN, now=two.owner.now)
    (whole,) = Catalogue(repositories_of(two.home, "").first).refs("group/all")
    reborn = Home(
        home=tmp_path,
        models=two.home.models,
        backups=two.home.backups,
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )
    restore_live(repositories_of(two.home, "").first, whole, reborn)
    registry = Registry.of(reborn)
    assert compare(reborn, registry, [OWNER, SHARING]) == []
    (back,) = registry.versions(SHARING)
    assert (back.dataset_owner, back.dataset_version) == (OWNER, 0)
    assert registry.load_onnx(back) == two.registry.load_onnx(two.registry.version(SHARING, "1"))
    assert DatasetTable.of(reborn, two.sharing.model).count(0) == HOURS - 24


def test_trace_names_the_owners_dataset_and_its_files(two: Two) -> None:
    found = trace(two.sharing.model, two.home, two.registry, "1")
    assert dict(found.steps())["dataset"].startswith(f"version 0 of the dataset of {OWNER}, ")
    assert [one.model for one in found.batches] == [OWNER]
    own = trace(two.owner.model, two.home, two.registry, "1")
    assert dict(own.steps())["dataset"].startswith("version 1, ")


def test_monitor_of_the_sharing_model_looks_at_its_drift_and_leaves_the_data_to_the_owner(two: Two) -> None:
    found = {harbour.model.name: harbour.monitor("1") for harbour in (two.owner, two.sharing)}
    of_data = {Condition.QUALITY, Condition.VOLUME}
    assert of_data <= {one.condition for one in found[OWNER].findings}
    assert not of_data & {one.condition for one in found[SHARING].findings}
    assert found[SHARING].windows
    assert found[SHARING].windows[-1].rows > 0
    assert found[SHARING].dataset_version == found[OWNER].dataset_version > 0


def test_preview_of_the_sharing_model_plays_the_owners_rows(two: Two) -> None:
    said: list[str] = []
    version = DatasetTable.of(two.home, two.owner.model).version()
    played = preview_dataset(two.sharing.model, two.home, version, now=two.owner.now, on_progress=said.append)
    assert (played.problems, played.candidate) == ((), "logistic")
