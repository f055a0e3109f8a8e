"""The real services of this version start on an installation of 0.1 and go on with what it had begun."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.journal import Journal
from almanac.registry.store import Registry
from almanac.release.lineage import trace
from almanac.services.airflow_api import AirflowClient
from almanac.services.services import Services
from almanac.services.supervision.supervision import log_file
from tests.upgrade.quay import NAME, csv_of
from tests.upgrade.stored_home import unpack
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TRAIN = f"train_{NAME}"


class Running:
    """The services, and what `up` said."""

    def __init__(self, services: Services, airflow: AirflowClient, said: list[str]) -> None:
        self.home, self.airflow, self.said = services.home, airflow, said
        self.journal = Journal(services.home.journal_url)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home, lines = unpack(tmp_path_factory.mktemp("home"), served=True), list[str]()
    _let_deadlines_pass(home)
    with Services(home, report=lines.append).running() as services, services.airflow() as airflow:
        wait(lambda: {TRAIN, f"ingest_{NAME}"} <= set(airflow.dag_ids()), "the DAGs")
        yield Running(services, airflow, lines)


def _let_deadlines_pass(home: Home) -> None:
    """0.1 has queued a run an hour before its deadline, whenever this test runs."""
    past = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(home.home / "airflow" / "airflow.db")) as connection, connection:
        assert connection.execute("UPDATE deadline SET deadline_time = ?", (past,)).rowcount == 1


def test_up_upgrades_the_journal_after_a_backup(running: Running) -> None:
    backed_up = next(n for n, line in enumerate(running.said) if line.startswith("backed up: database/mlflow@"))
    upgraded = next(n for n, line in enumerate(running.said) if line.startswith("the journal is upgraded from no rev"))
    assert backed_up < upgraded
    assert running.journal.batches(NAME)
    assert running.airflow.import_problems() == ()


def test_deadline_of_a_run_that_0_1_queued_is_alerted_by_its_old_name(running: Running) -> None:
    log = AlertLog(running.journal)
    (late,) = wait(lambda: [one for one in log.recent(model=NAME) if one.kind == "late"], "the alert")
    assert TRAIN in late.key


def test_landing_area_is_watched_and_a_file_is_taken_in(running: Running) -> None:
    dataset = DatasetTable.of(running.home, find_model(running.home.models, NAME))
    before = dataset.count()
    (Path(running.home.landing_of(NAME)) / "second.csv").write_text(csv_of(range(30, 40)), "utf-8")
    wait(lambda: dataset.count() > before, "the rows")
    assert dataset.count() == before + 240


def test_run_that_0_1_queued_trains_a_version_that_is_traced(running: Running) -> None:
    (queued,) = [run for run in running.airflow.runs(TRAIN) if not run.finished]
    running.airflow.set_paused(TRAIN, False)
    ended = running.airflow.wait(TRAIN, queued.run_id, timeout_s=300)
    states = {task.task_id: task.state for task in running.airflow.tasks(TRAIN, queued.run_id)}
    assert (ended.state, states["train"], states["judge"]) == ("success", "success", "success"), states
    registry = Registry.of(running.home)
    version = registry.champion(NAME)
    assert version is not None
    found = trace(find_model(running.home.models, NAME), running.home, registry, version.version)
    assert Path(found.batches[0].uri).name == "first.csv"


def test_no_process_of_airflow_misses_a_name_of_0_1(running: Running) -> None:
    for service in ("triggerer", "scheduler"):
        log = log_file(running.home, service).read_text("utf-8")
        assert "No module named" not in log
        assert "has no attribute" not in log
