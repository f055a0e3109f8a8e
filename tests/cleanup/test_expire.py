"""Old outputs go as declared; what something needs stays, with the reason; nothing goes that is in no snapshot."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from deltalake import DeltaTable

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import Message
from almanac.backup.snapshot.backup import BackupRun
from almanac.backup.store.repository import BackupRepository
from almanac.cleanup.expire import Expiry
from almanac.cleanup.plan import ExpiryPlan
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.retention.expiry import EXPIRING, Expire
from almanac.errors import ApprovalError, IntegrityError
from almanac.journal.records import Arrival, BatchState
from almanac.scoring.predictions import PredictionTable
from tests.backup.repositories import MAKER, repository_at
from tests.data.installation import NOW, RUN, Site, tiny_csv, tiny_dataset

DAY = timedelta(days=1)
ALL = dict.fromkeys(EXPIRING, timedelta(days=30))
YEARS = NOW + timedelta(days=400)


@pytest.fixture(scope="module")
def weather() -> Model:
    return find_model(MODELS_FOLDER, "weather")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory, weather: Model) -> Path:
    """Three files: one is published, one has a bad row, one is rejected; all with reports, all long ago."""
    root = tmp_path_factory.mktemp("site")
    site = Site(root / "home", weather.model_copy(update={"dataset": tiny_dataset()}))
    site.land("good.csv", tiny_csv([(hour, 1, "a") for hour in range(5)]))
    site.land("part.csv", tiny_csv([(10, 1, "a"), (11, 1, "a"), (12, 99, "a")]))
    site.land("bad.csv", "no,such,columns\n1,2,3\n")
    site.ingest()
    shutil.copytree(root / "home", root / "as-it-was")
    return root


@pytest.fixture
def site(ingested: Path, weather: Model) -> Site:
    """As it was: the journal names paths, so each test has it in the same place."""
    shutil.rmtree(ingested / "home")
    shutil.copytree(ingested / "as-it-was", ingested / "home")
    return Site(ingested / "home", weather.model_copy(update={"dataset": tiny_dataset()}))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackupRepository:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    return repository_at(tmp_path / "backups")


def back_up(site: Site, repository: BackupRepository) -> None:
    BackupRun(site.home, repository, MAKER, registry=None).outputs("weather")  # type: ignore[arg-type]


def expiry(site: Site, repository: BackupRepository, *, now: datetime = YEARS, **declared: object) -> Expiry:
    expire = Expire.model_validate({**ALL, "max_deleted_share": 1.0, **declared})
    return Expiry(site.model.model_copy(update={"expire": expire}), site.home, site.journal, repository, now=now)


def going(plan: ExpiryPlan, kind: str) -> list[str]:
    return sorted(item.name for item in plan.going if item.kind == kind)


def needs(plan: ExpiryPlan, kind: str) -> dict[str, tuple[str, ...]]:
    return {item.name: item.needs for item in plan.items if item.kind == kind and item.needs}


def write_predictions(site: Site, *, version: str = "1", days: int = 400, scored_at: datetime = NOW) -> None:
    for day in range(0, days, 100):
        start = datetime(2025, 1, 1, tzinfo=UTC) + day * DAY
        rows = pl.DataFrame(
            {
                "id": [f"{day}"],
                "time": [start],
                "probability": [0.5],
                "label": [1],
                "model_version": [version],
                "scored_at": [scored_at],
                "_window": [str(start)],
                "_content": ["x"],
                "_day": [str(start.date())],
            }
        )
        PredictionTable.of(site.home, site.model).replace(rows, version, start, start + DAY, metadata={})


def test_plan_young_things_are_not_even_named(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    assert expiry(site, repository, now=NOW + DAY).plan().items == ()


def test_plan_nothing_declared_keeps_everything(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    assert expiry(site, repository, **dict.fromkeys(EXPIRING)).plan().items == ()


def test_plan_changes_nothing(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    before = sorted(path for path in site.home.home.rglob("*") if path.is_file() and "journal" not in path.name)
    assert expiry(site, repository).plan().going
    after = sorted(path for path in site.home.home.rglob("*") if path.is_file() and "journal" not in path.name)
    assert before == after


def test_expire_landed_files_of_ended_batches_go(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    done = expiry(site, repository).execute(run=RUN)
    assert going(done, "landing") == ["good.csv", "part.csv"]
    assert list(site.landing.iterdir()) == []
    assert site.dataset.read().height == 7


def test_landed_file_that_nobody_took_stays(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    late = site.land("late.csv", tiny_csv([(50, 1, "a")]))
    os.utime(late, (0, 0))
    assert needs(expiry(site, repository).plan(), "landing") == {"late.csv": ("not processed yet",)}


def test_landed_file_that_changed_since_stays(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    site.land("good.csv", tiny_csv([(60, 1, "a")]))
    assert "good.csv" in needs(expiry(site, repository).plan(), "landing")


def test_landed_file_whose_rows_the_dataset_lost_stays(site: Site, repository: BackupRepository) -> None:
    """An older dataset was restored: landed files are what heals it."""
    back_up(site, repository)
    shutil.rmtree(site.dataset.uri)
    found = needs(expiry(site, repository).plan(), "landing")
    assert found == {"good.csv": ("the dataset does not hold its rows",), "part.csv": (*found["good.csv"],)}


def test_landed_file_that_is_rejected_and_not_kept_aside_stays(site: Site, repository: BackupRepository) -> None:
    path = site.land("worse.csv", "nothing,of,this\n")
    (file,) = [file for file in site.new() if file.name == "worse.csv"]
    seen = Arrival("weather", file.uri, file.size_bytes, file.modified_at, "f" * 64, BatchState.REJECTED, file.etag)
    site.journal.record_arrival(seen)
    assert needs(expiry(site, repository).plan(), "landing") == {path.name: ("rejected, and not kept in quarantine",)}


def test_landed_file_declared_for_backup_stays_until_it_is_in_a_snapshot(
    site: Site, repository: BackupRepository, tmp_path: Path
) -> None:
    back_up(site, repository)
    backup = site.model.backup.model_copy(update={"landing": True})
    site.model = site.model.model_copy(update={"backup": backup})
    assert set(needs(expiry(site, repository).plan(), "landing")) == {"good.csv", "part.csv"}
    models = shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    declared = yaml.safe_load((models / "weather.yaml").read_text("utf-8"))
    declared.setdefault("backup", {})["landing"] = True
    (models / "weather.yaml").write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")
    site.home = site.home.model_copy(update={"models": models})
    back_up(site, repository)
    assert needs(expiry(site, repository).plan(), "landing") == {}


@pytest.mark.parametrize("kind", ["reports", "quarantine_files", "quarantine_rows"])
def test_what_is_in_no_snapshot_stays(site: Site, repository: BackupRepository, kind: str) -> None:
    plan = expiry(site, repository).plan()
    assert going(plan, kind) == []
    assert all("in no snapshot yet" in reasons for reasons in needs(plan, kind).values())
    assert going(expiry(site, repository, unless_backed_up=False).plan(), kind)


def test_report_that_was_written_after_the_snapshot_stays(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    page = Path(site.home.reports_of("weather"), "abcdef012345_new.html")
    page.write_text("<html>")
    os.utime(page, (0, 0))
    assert needs(expiry(site, repository).plan(), "reports")[page.name] == ("in no snapshot yet",)


def test_report_of_a_batch_with_rows_in_quarantine_stays(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    found = needs(expiry(site, repository, quarantine_rows=None).plan(), "reports")
    assert {reason for reasons in found.values() for reason in reasons} == {"rows of its batch are in quarantine"}
    assert all("part" in name for name in found)


def test_report_that_a_lasting_alarm_names_stays_until_it_ends(site: Site, repository: BackupRepository) -> None:
    page = Path(site.home.reports_of("weather"), "monitor_2025-01-01_version_1.html")
    page.write_text("<html>")
    newer = page.with_name("monitor_2025-02-01_version_1.html")
    newer.write_text("<html>")
    os.utime(page, (0, 0))
    os.utime(newer, (1, 1))
    back_up(site, repository)
    log = AlertLog(site.journal)
    message = Message("warning", "drift", "it drifts", "look", "weather", "dag", "run", "task", 1, "", "", str(page))
    log.record(message, "drift", "key", NOW)
    found = needs(expiry(site, repository).plan(), "reports")
    assert found[page.name] == ("an open alarm refers to it",)
    assert found[newer.name] == ("the newest of its kind",)


def test_expire_quarantine_goes_from_disk_and_table(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    done = expiry(site, repository).execute(run=RUN)
    assert len(going(done, "quarantine_files")) == 1
    assert going(done, "quarantine_rows")[0].startswith("1 rows of batch")
    assert site.rejected_files() == []
    assert site.quarantined().height == 0


def test_expire_predictions_old_days_go_and_the_monitored_stay(site: Site, repository: BackupRepository) -> None:
    write_predictions(site)
    back_up(site, repository)
    done = expiry(site, repository).execute(run=RUN)
    left = PredictionTable.of(site.home, site.model).read("1", since=NOW - 800 * DAY, until=YEARS)
    assert left["id"].to_list() == ["300"]
    assert needs(done, "predictions") == {"2025-10-28 of version 1": ("the monitor still compares it with its labels",)}


def test_predictions_that_were_made_lately_stay_however_old_their_days(
    site: Site, repository: BackupRepository
) -> None:
    write_predictions(site, scored_at=YEARS - DAY)
    back_up(site, repository)
    assert going(expiry(site, repository).plan(), "predictions") == []


def test_predictions_in_no_snapshot_stay(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    write_predictions(site)
    assert going(expiry(site, repository).plan(), "predictions") == []


def test_expire_checkpoints_of_ended_trainings_go(site: Site, repository: BackupRepository) -> None:
    for name, age in (("ended", 0), ("going_on", YEARS.timestamp())):
        path = Path(site.home.checkpoints_of("weather"), name, "one.skops")
        path.parent.mkdir(parents=True)
        path.write_text("x")
        os.utime(path, (age, age))
    done = expiry(site, repository).execute(run=RUN)
    assert going(done, "checkpoints") == ["ended"]
    assert [path.name for path in Path(site.home.checkpoints_of("weather")).iterdir()] == ["going_on"]


def test_expire_too_much_is_refused_and_deletes_nothing(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    greedy = expiry(site, repository, max_deleted_share=0.5)
    with pytest.raises(ApprovalError, match="landing 100%"):
        greedy.execute(run=RUN)
    assert len(list(site.landing.iterdir())) == 2
    assert greedy.execute(run=RUN, approved=True).going
    assert list(site.landing.iterdir()) == []


def test_expire_again_deletes_nothing(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    expiry(site, repository).execute(run=RUN)
    assert expiry(site, repository).execute(run=RUN).going  # pages of rows that have left the quarantine
    assert expiry(site, repository).execute(run=RUN).going == ()


def test_expire_is_written_down(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    expiry(site, repository).execute(run=RUN)
    (decision,) = [one for one in site.journal.decisions("weather") if one.kind == "expiry"]
    assert "2 landing older than declared" in decision.reasons


def test_damaged_manifest_deletes_nothing(site: Site, repository: BackupRepository) -> None:
    back_up(site, repository)
    (manifest,) = Path(repository.uri, "manifests", "outputs", "weather").iterdir()
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="damaged"):
        expiry(site, repository).execute(run=RUN)
    assert len(list(site.landing.iterdir())) == 2


def test_expire_what_went_comes_back_from_the_snapshot(
    site: Site, repository: BackupRepository, tmp_path: Path
) -> None:
    from almanac.backup.restore.restore import restore
    from almanac.backup.store.catalogue import Catalogue

    back_up(site, repository)
    done = expiry(site, repository).execute(run=RUN)
    back = restore(repository, Catalogue(repository).find("outputs/weather"), tmp_path / "back")
    names = {path.name for path in back.folder.rglob("*")}
    assert names.issuperset(going(done, "reports") + going(done, "quarantine_files"))


def test_replaced_files_of_predictions_go_although_no_age_is_declared(
    site: Site, repository: BackupRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_predictions(site)
    write_predictions(site)  # scored again: each day's file is replaced
    table = Path(site.home.predictions_of("weather"))
    undeclared = dict.fromkeys(EXPIRING)
    assert expiry(site, repository, **undeclared).plan().items == ()  # readers have a week
    monkeypatch.setattr("almanac.cleanup.expire.KEEP_FILES", timedelta())
    done = expiry(site, repository, **undeclared).execute(run=RUN)
    assert [(item.kind, item.count) for item in done.going] == [("replaced_files", 4)]
    assert len(list(table.rglob("*.parquet"))) == 4
    assert PredictionTable.of(site.home, site.model).read("1", since=NOW - 800 * DAY, until=YEARS).height == 4


def test_checkpoints_of_a_table_of_outputs_go_but_the_newest(
    site: Site, repository: BackupRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_predictions(site)
    uri = site.home.predictions_of("weather")
    for version in (0, 1, 3):
        DeltaTable(uri, version=version).create_checkpoint()
    monkeypatch.setattr("almanac.cleanup.expire.KEEP_FILES", timedelta())
    expiry(site, repository, **dict.fromkeys(EXPIRING)).execute(run=RUN)
    left = sorted(path.name[18:20] for path in Path(uri, "_delta_log").glob("*.checkpoint.parquet"))
    assert left == ["03"]
    assert DeltaTable(uri, version=1).version() == 1
