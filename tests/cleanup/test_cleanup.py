"""The cleanup of an installation: a snapshot first, one fault stops nothing else, and the figures are kept."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from almanac.backup.installation import open_repositories
from almanac.backup.store.catalogue import Catalogue
from almanac.cleanup.cleanup import CleanupReport, CleanupRun, raise_reported_problems
from almanac.cleanup.plan import ExpiryPlan
from almanac.cleanup.sizes import load_sizes
from almanac.cleanup.task_logs import TaskLogs
from almanac.config.files.loader import find_model, load_installation
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.installation import Installation
from almanac.config.schema import Model
from almanac.config.sections.retention.backup import InstallationBackup
from almanac.config.sections.retention.cleanup import Cleanup as Ages
from almanac.errors import IntegrityError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, DeliveredAlert, RunRef

NOW = datetime.now(UTC)
RUN = RunRef("cleanup", "test")
OLD = NOW - timedelta(days=500)


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model(MODELS_FOLDER, "weather")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("almanac.storage.disk.sync_disk", lambda _: None)
    home = Home(home=tmp_path, models=MODELS_FOLDER)
    Journal(home.journal_url).record_alert(DeliveredAlert("weather", "info", "old", "", "log", True, OLD, RUN))
    return home


def away() -> Any:
    raise TransientError("MLflow is away")


def cleanup(home: Home, model: Model, **ages: object) -> CleanupRun:
    declared = Ages.model_validate({"airflow_history": None, "model_runs": None, "max_deleted_share": 1.0, **ages})
    return CleanupRun(
        home,
        Installation(cleanup=declared),
        [model],
        Journal(home.journal_url),
        away,
        open_repositories(home, InstallationBackup()),
        now=NOW,
    )


def log_of_a_task(home: Home, name: str = "dag_id=a/run_id=b/task.log", *, at: datetime = OLD) -> Path:
    path = home.home / "airflow" / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("it was so")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def titles(home: Home) -> list[str]:
    return [one.title for one in Journal(home.journal_url).alerts()]


def faults(report: CleanupReport) -> dict[str, str]:
    return {part.kind: part.fault for part in report.parts if part.fault}


def test_plan_changes_nothing(home: Home, model: Model) -> None:
    path = log_of_a_task(home)
    report = cleanup(home, model).plan()
    assert {item.name for part in report.parts for item in part.going} == {"1 files of dag_id=a", "1 delivered alerts"}
    assert path.exists()
    assert titles(home) == ["old"]
    assert not Path(home.backups, "manifests").exists()


def test_first_cleanup_takes_a_snapshot_that_holds_what_goes(home: Home, model: Model, tmp_path: Path) -> None:
    import sqlite3

    from almanac.backup.restore.restore import restore

    cleaning = cleanup(home, model)
    assert faults(cleaning.execute(run=RUN)) == {}
    assert titles(home) == []
    catalogue = Catalogue(cleaning.repositories.first)
    newest = catalogue.newest("database/journal")
    assert newest is not None
    back = restore(cleaning.repositories.first, newest, tmp_path / "back")
    with sqlite3.connect(back.folder / "journal.db") as connection:
        assert connection.execute("SELECT title FROM alerts").fetchall() == [("old",)]


def test_cleanup_without_a_snapshot_deletes_no_row_and_says_what_to_do(
    home: Home, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was backed up, and what should have done it did not: rows stay, files go all the same."""
    monkeypatch.setattr("almanac.cleanup.cleanup.run_backup", lambda *_, **__: [])
    path = log_of_a_task(home)
    report = cleanup(home, model).execute(run=RUN)
    assert "no snapshot holds what would be deleted; got none" in faults(report)["journal"]
    assert "almanac backup database/journal" in faults(report)["journal"]
    assert titles(home) == ["old"]
    assert not path.exists()


def test_snapshot_older_than_the_last_change_does_not_count(
    home: Home, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set, or a row that was written with an old time after the snapshot."""
    cleaning = cleanup(home, model)
    cleaning._secure("journal", OLD, RUN)
    monkeypatch.setattr("almanac.cleanup.cleanup.run_backup", lambda *_, **__: [])
    cleaning._secure("journal", NOW - timedelta(minutes=1), RUN)
    with pytest.raises(IntegrityError, match="expected one of after"):
        cleaning._secure("journal", datetime.now(UTC), RUN)


def test_second_cleanup_takes_no_snapshot_when_one_is_young_enough(home: Home, model: Model) -> None:
    cleaning = cleanup(home, model)
    cleaning.execute(run=RUN)
    cleaning.journal.record_alert(DeliveredAlert("weather", "info", "older", "", "log", True, OLD, RUN))
    cleaning.execute(run=RUN)
    assert len(Catalogue(cleaning.repositories.first).refs("database/journal")) == 1


def test_damaged_snapshot_does_not_count(home: Home, model: Model) -> None:
    cleaning = cleanup(home, model)
    cleaning._secure("journal", OLD, RUN)
    (manifest,) = Path(home.backups, "manifests", "database", "journal").iterdir()
    manifest.write_bytes(manifest.read_bytes() + b" ")
    assert "damaged" in faults(cleaning.execute(run=RUN))["journal"]
    assert titles(home) == ["old"]


def test_one_part_that_fails_stops_no_other(home: Home, model: Model) -> None:
    path = log_of_a_task(home)
    report = cleanup(home, model, model_runs="180d").execute(run=RUN)
    assert faults(report) == {"model_runs": "MLflow is away"}
    assert titles(home) == []
    assert not path.exists()
    with pytest.raises(IntegrityError, match="not everything was cleaned:\nmodel_runs: MLflow is away"):
        raise_reported_problems(report.to_json())


def test_too_many_files_at_once_wait_for_a_person(home: Home, model: Model) -> None:
    path = log_of_a_task(home)
    cleaning = cleanup(home, model, max_deleted_share=0.5)
    assert "task_logs: too much would expire at once" in faults(cleaning.execute(run=RUN))["task_logs"]
    assert "almanac cleanup --approve" in faults(cleaning.execute(run=RUN))["task_logs"]
    assert path.exists()
    assert faults(cleaning.execute(run=RUN, approved=True)) == {}
    assert not path.exists()


def test_history_younger_than_a_monitor_looks_back_is_not_deleted(home: Home, model: Model) -> None:
    running = model.monitor.running.model_copy(update={"window": timedelta(days=61)})
    monitor = model.monitor.model_copy(update={"running": running})
    watched = model.model_copy(update={"monitor": monitor})
    report = cleanup(home, watched, airflow_history="60d").execute(run=RUN)
    assert "monitor.running.window of weather looks back so far" in faults(report)["airflow_history"]
    assert faults(cleanup(home, model, airflow_history="60d").execute(run=RUN)) == {}


def test_what_went_is_written_down(home: Home, model: Model) -> None:
    log_of_a_task(home)
    cleanup(home, model).execute(run=RUN)
    noted = Journal(home.journal_url).decisions("", DecisionKind.EXPIRY)
    assert {kind: count for one in noted for kind, count in one.figures.items()} == {"task_logs": 1.0, "journal": 1.0}


def test_sizes_and_growth_since_the_last_cleanup_are_kept(home: Home, model: Model) -> None:
    cleaning = cleanup(home, model)
    cleaning.execute(run=RUN)
    log_of_a_task(home, at=NOW)
    cleaning.plan()
    newest, cleaned = load_sizes(cleaning.journal)
    assert newest is not None
    assert newest.growth(cleaned)["task logs"] == len("it was so")
    (logs,) = [one for one in newest.sizes if one.name == "task logs"]
    assert (logs.count, logs.size_bytes, logs.age) == (1, 9, "60d")


def test_sizes_of_a_place_that_is_away_are_named_and_the_others_measured(
    home: Home, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files_below(folder: Path, above: str = "") -> Any:
        if folder.name == "backups":
            raise OSError("the share is away")
        return iter(())

    monkeypatch.setattr("almanac.cleanup.sizes.files_below", files_below)
    sizes = {one.name: one for one in cleanup(home, model).plan().sizes}
    assert (sizes["backups"].size_bytes, sizes["backups"].age) == (-1, "could not be measured: the share is away")
    assert sizes["task logs"].size_bytes == 0


def test_task_logs_old_ones_go_with_their_folders_and_others_stay(home: Home) -> None:
    old, young = log_of_a_task(home), log_of_a_task(home, "dag_id=a/run_id=c/task.log", at=NOW)
    outside = home.home / "outside.log"
    outside.write_text("another's")
    os.utime(outside, (0, 0))
    link = old.with_name("latest")
    link.symlink_to(outside)
    logs = TaskLogs(home.home / "airflow" / "logs", timedelta(days=60), NOW)
    plan = logs.plan()
    link.unlink()
    logs.delete(plan)
    assert not old.parent.exists()
    assert young.exists()
    assert outside.exists()


def test_task_logs_of_no_folder_are_none(tmp_path: Path) -> None:
    assert TaskLogs(tmp_path / "none", timedelta(days=7), NOW).plan() == ExpiryPlan((), {"task_logs": 0})


@pytest.mark.parametrize(
    ("kind", "age", "why"),
    [
        ("airflow_history", "13d", "got 13d, expected at least 2w: monitors compare with the runs of the last week"),
        ("task_logs", "6d", "an alert links to the log"),
        ("journal", "89d", "the training budget"),
        ("model_runs", "29d", "an approval of a candidate may still be open"),
    ],
)
def test_age_below_what_is_read_is_refused_with_the_reason(kind: str, age: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Ages.model_validate({kind: age})


def test_declared_ages_are_those_that_are_built_in() -> None:
    assert load_installation(MODELS_FOLDER).cleanup == Ages()


def test_installation_of_an_older_release_has_the_ages_that_are_built_in(tmp_path: Path) -> None:
    models = shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    text = (models / "_installation.yaml").read_text("utf-8")
    (models / "_installation.yaml").write_text(text.partition("\ncleanup:")[0], "utf-8")
    assert load_installation(models).cleanup == Ages()
