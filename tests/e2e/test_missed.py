"""What no event has triggered is found by the sweep of a running Airflow: each test makes an unheard event."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from almanac.config.credentials import ADMIN
from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal import publications
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry.store import Registry
from almanac.scoring.predictions import PredictionTable
from almanac.services.airflow_api import AirflowClient
from almanac.services.services import Services
from almanac.storage.files import write_bytes
from tests.e2e.events import post_event
from tests.production import small_weather
from tests.waiting import wait

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LONG_S = 900
LISTENERS = ("train", "score", "monitor", "backup_model", "backup_data")
CHANGES = {
    "backup": {
        "after_publication": True,
        "at_most_every": "1s",
        "data_schedule": "0 0 1 1 *",
        "model_schedule": "0 0 1 1 *",
    },
    "train": {"triggers": {"new_data": True, "retrain_request": False}},
    "triggers": {"tides": {"kind": "event", "payload": {"height_m": {"type": "number", "max": 3}}}},
    "pipelines": {"ingest": {"when": "arrival or schedule or tides"}},
}


class Port:
    """A home whose services are up before its only model is declared."""

    def __init__(self, home: Home, services: Services, airflow: AirflowClient) -> None:
        self.home, self.airflow = home, airflow
        os.environ |= {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": services.mlflow_password}
        self.registry, self.journal = Registry(services.mlflow_url), Journal(home.journal_url)

    def land(self, name: str, content: bytes) -> None:
        Path(self.home.landing_of("weather")).mkdir(parents=True, exist_ok=True)
        write_bytes(f"{self.home.landing_of('weather')}/{name}", content)

    def post(self, height: object) -> None:
        post_event(self.airflow, "almanac://weather/events/tides", {"height_m": height})

    def rows(self) -> int:
        dataset = DatasetTable.of(self.home, find_model(self.home.models, "weather"))
        return dataset.count() if dataset.exists() else 0

    def scored(self) -> int:
        return PredictionTable.of(self.home, find_model(self.home.models, "weather")).version()

    def decided(self) -> int:
        return len(self.journal.decisions("weather", DecisionKind.TRAINING))

    def events(self) -> list[bool]:
        return [one.accepted for one in self.journal.decisions("weather", DecisionKind.EVENT)]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    root = tmp_path_factory.mktemp("port")
    models = root / "models"
    small_weather.declare(models, **CHANGES)
    (models / "weather.yaml").rename(root / "weather.yaml")
    common = yaml.safe_load((models / "_installation.yaml").read_text("utf-8"))
    (models / "_installation.yaml").write_text(yaml.safe_dump({**common, "sweep": "* * * * *"}), "utf-8")
    home = Home(home=root, models=models)
    with Services(home, report=print).running() as services, services.airflow() as airflow:
        wait(lambda: "sweep" in airflow.dag_ids(), "the DAGs")
        yield Port(home, services, airflow)


def test_model_whose_first_data_land_with_its_yaml_ends_trained_and_backed_up(port: Port) -> None:
    content, rows = small_weather.history()
    port.land("history.csv", content)
    (port.home.home / "weather.yaml").rename(port.home.models / "weather.yaml")
    wait(lambda: port.rows() == rows, "the data", LONG_S)
    wait(lambda: "champion" in port.registry.aliases("weather"), "a champion", LONG_S)
    for subject in ("dataset/weather", "model/weather"):
        wait(lambda subject=subject: port.journal.snapshots(subject), f"a snapshot of {subject}", LONG_S)
    granted = [one for one in port.journal.decisions("weather", DecisionKind.TRAINING) if one.accepted]
    assert len(granted) == 1


def test_dataset_version_that_comes_while_all_listeners_are_paused_is_handled_once(port: Port) -> None:
    wait(
        lambda: port.scored() >= 0 or port.journal.decisions("weather", DecisionKind.SWEEP), "what went before", LONG_S
    )
    for kind in LISTENERS:
        port.airflow.set_paused(f"{kind}_weather", paused=True)
    before, decided, snapshots = port.rows(), port.decided(), len(port.journal.snapshots("dataset/weather"))
    port.land("later.csv", small_weather.month(small_weather.MONTHS).write_csv().encode())
    wait(lambda: port.rows() > before, "the next month", LONG_S)
    wait(lambda: all(run.finished for run in port.airflow.runs("ingest_weather")), "its event", LONG_S)
    newest = publications.newest_published(port.journal, "weather")
    assert newest is not None
    for kind in LISTENERS:
        port.airflow.set_paused(f"{kind}_weather", paused=False)
    marks = {f"handled by {kind}: dataset" for kind in ("train", "score", "backup_data")}

    def handled() -> bool:
        found = [port.journal.watermark("weather", mark) for mark in marks]
        return all(one is not None and newest.batch_id[:12] in one.value for one in found)

    wait(handled, "train, score and backup of the dataset to have handled it", LONG_S)
    assert port.decided() == decided + 1
    assert len(port.journal.snapshots("dataset/weather")) == snapshots + 1
    started = [one.subject for one in port.journal.decisions("weather", DecisionKind.SWEEP)]
    assert {"train_weather", "score_weather", "backup_data_weather"} <= set(started)


def test_events_posted_at_once_and_while_paused_get_a_decision_each(port: Port) -> None:
    posted = [1.0, 2.0, "high", 2.5, 99, 0.5]
    for payload in posted[:4]:
        port.post(payload)
    wait(lambda: len(port.events()) == 4, "four decisions", LONG_S)
    port.airflow.set_paused("event_weather", paused=True)
    for payload in posted[4:]:
        port.post(payload)
    port.airflow.set_paused("event_weather", paused=False)
    wait(lambda: len(port.events()) == 6, "six decisions", LONG_S)
    assert port.events()[::-1] == [True, True, False, True, False, True]
