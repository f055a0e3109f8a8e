"""The sweep in Airflow's own engine: what it asks of Airflow is answered, and what it starts is there."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime

import pytest
import yaml

from almanac.config.home import MODELS_FOLDER, Home
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, DecisionKind, RunRef
from tests.dags.one_process import OneProcess

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MISSED = {"train_weather", "score_weather", "backup_data_weather"}
TIDES = {"tides": {"kind": "event", "payload": {"height_m": {"type": "number", "max": 3}}}}


class Port:
    """A home, its journal, and Airflow's own database."""

    def __init__(self, home: Home) -> None:
        self.airflow, self.journal = OneProcess(home, ALMANAC_MODELS=str(home.models)), Journal(home.journal_url)
        self._database = home.home / "airflow" / "airflow.db"

    def runs(self) -> set[tuple[str, str, str]]:
        with sqlite3.connect(self._database) as database:
            return set(database.execute("select dag_id, run_type, state from dag_run where dag_id != 'sweep'"))

    def post(self, payload: dict[str, object]) -> None:
        """What Airflow's REST API writes when nobody can hear the event."""
        with sqlite3.connect(self._database) as database:
            ((asset,),) = database.execute("select id from asset where name = 'event_tides.weather'")
            database.execute(
                "insert into asset_event (asset_id, extra, source_map_index, timestamp) values (?, ?, -1, ?)",
                (asset, json.dumps({**payload, "from_rest_api": True}), datetime.now(UTC).isoformat(sep=" ")),
            )


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Port:
    root = tmp_path_factory.mktemp("port")
    shutil.copytree(MODELS_FOLDER, root / "models")
    declared = yaml.safe_load((root / "models" / "weather.yaml").read_text("utf-8"))
    declared |= {"triggers": TIDES, "pipelines": {"ingest": {"when": "arrival or schedule or tides"}}}
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
    (root / "models" / "weather.yaml").write_text(text, "utf-8")
    return Port(Home(home=root / "home", models=root / "models"))


def test_sweep_starts_once_the_runs_that_no_event_has_triggered(port: Port) -> None:
    run = RunRef("ingest_weather", "i")
    port.journal.record_batch(
        BatchRecord("weather", "b" * 64, "u", 1, NOW, BatchState.PUBLISHED, 1, 1, 0, 0, NOW, run, dataset_version=0)
    )
    port.airflow.run("sweep")
    started = {(dag_id, "operator_triggered", "queued") for dag_id in MISSED}
    assert port.runs() == started
    assert {one.subject for one in port.journal.decisions("weather", DecisionKind.SWEEP)} == MISSED


def test_sweep_starts_the_check_of_events_that_nobody_heard_and_each_is_decided_once(port: Port) -> None:
    for height in (1.5, "high", 2.5):
        port.post({"height_m": height})
    port.airflow.run("sweep")
    assert {dag_id for dag_id, _, _ in port.runs()} == {*MISSED, "event_weather"}  # and nothing a second time
    assert len(port.runs()) == len(MISSED) + 1

    port.airflow.run("event_weather", red=True)  # it tells of the one that is refused
    port.airflow.run("event_weather")
    decided = port.journal.decisions("weather", DecisionKind.EVENT)
    assert [one.accepted for one in decided[::-1]] == [True, False, True]
    assert decided[1].reasons == ("height_m: not a number; got 'high'",)
