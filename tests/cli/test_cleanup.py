"""`almanac cleanup` says what goes and why the rest stays, acts, and ends with 1 when a part could not be cleaned."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.home import MODELS_FOLDER


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old log of a task, in a home without any service."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    for name in ("MLFLOW_TRACKING_URI", "ALMANAC_BACKUP_KEY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "airflow" / "logs" / "dag_id=a"
    folder.mkdir(parents=True)
    for name, time in (("old.log", 0.0), ("new.log", datetime.now(UTC).timestamp())):
        (folder / name).write_text("x" * 10)
        os.utime(folder / name, (time, time))
    return folder / "old.log"


def test_cleanup_dry_run_changes_nothing_and_makes_no_database(log: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cleanup", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "GOES   task_logs" in done.output
    assert log.exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_cleanup_deletes_and_says_it_in_json(log: Path) -> None:
    done = CliRunner().invoke(app, ["cleanup", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    (logs,) = [part for part in found["parts"] if part["kind"] == "task_logs"]
    assert (logs["rows_or_files"], logs["fault"]) == (1, "")
    assert {"task logs", "database journal"} <= {size["name"] for size in found["sizes"]}
    assert not log.exists()


def test_cleanup_that_could_not_do_all_ends_with_1(log: Path) -> None:
    log.with_name("new.log").unlink()  # all of the kind would go
    done = CliRunner().invoke(app, ["cleanup"])
    assert done.exit_code == 1
    assert "FAILED  task_logs: task_logs: too much would expire at once" in done.output
    assert CliRunner().invoke(app, ["cleanup", "--approve"]).exit_code == 0
    assert not log.exists()
