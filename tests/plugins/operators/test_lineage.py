"""What steps have read and written reaches a receiver of OpenLineage, and says only what was done."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import DAG, Asset, TaskInstanceState

from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.ingest.ingest import RejectedFilesError
from almanac_airflow import operators as of
from almanac_airflow.lineage import lineage_of, place_of, to_openlineage
from almanac_airflow.operators.base import ModelOperator
from tests.dags.one_process import OneProcess
from tests.plugins.operators.running import context_of_task, run
from tests.plugins.operators.test_conventions import CLASSES, given

HEADER = (
    "Timestamp,Location,Temperature_C,Apparent_Temperature_C,Humidity,Wind_speed_kmph,Wind_bearing_degrees,"
    "Visibility_km,Pressure_millibars,Weather_conditions"
)
ROWS = [f"2026-01-01T{hour:02}:00:00Z,port,1,1,0.5,10,180,10,1010,rain" for hour in range(24)]
BAD_ROW = "2026-01-02T00:00:00Z,port,1,1,7,10,180,10,1010,rain"  # its humidity
SPOILED = "\n".join([HEADER, *ROWS, BAD_ROW, ""])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(MODELS_FOLDER))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("almanac_airflow.access.credentials.find_reserved", lambda _: None)
    return Home()


def land(home: Home, name: str, content: str) -> Path:
    path = Path(home.landing_of("weather")) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    return path


def task(kind: Any, **more: Any) -> Any:
    with DAG("their_dag", schedule=None):
        return kind(task_id="one", model="weather", **more)


def told(operator: Any, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the provider itself gets from the operator: inputs and outputs, by namespace and name."""
    found = ExtractorManager().extract_metadata(SimpleNamespace(run_id="r"), operator, state, None)
    return tuple({f"{one.namespace} {one.name}": one for one in side} for side in (found.inputs, found.outputs))  # type: ignore[return-value]


def test_ingest_tells_version_rows_schema_owner_place_and_quarantine(home: Home) -> None:
    land(home, "weather_2026-01.csv", SPOILED)
    operator = task(of.IngestOperator)
    summary = run(operator, context_of_task())
    inputs, outputs = told(operator)
    assert set(inputs) == {"almanac://default weather/landing"}
    assert set(outputs) == {"almanac://default weather/dataset", "almanac://default weather/quarantine"}
    dataset = outputs["almanac://default weather/dataset"]
    assert dataset.facets["version"].datasetVersion == str(summary["dataset_version"])
    assert dataset.outputFacets["outputStatistics"].rowCount == summary["published_rows"] == 24
    assert {field.name: field.type for field in dataset.facets["schema"].fields}["Humidity"] == "float"
    assert [owner.name for owner in dataset.facets["ownership"].owners] == ["port-forecast"]
    (place,) = dataset.facets["symlinks"].identifiers
    assert (place.namespace, place.name) == ("file", home.dataset_of("weather"))
    assert outputs["almanac://default weather/quarantine"].outputFacets["outputStatistics"].rowCount == 1


def test_a_step_that_fails_or_has_not_run_has_written_nothing(home: Home) -> None:
    land(home, "weather_2026-01.csv", "Timestamp,Location\n2026-01-01T00:00:00Z,port\n")
    operator = task(of.IngestOperator)
    assert told(operator)[1] == {}
    with pytest.raises(RejectedFilesError):
        run(operator, context_of_task())
    assert told(operator, TaskInstanceState.FAILED)[1] == {}


def test_a_check_tells_what_was_broken_of_the_very_table_also_when_it_fails(home: Home) -> None:
    path = land(home, "any.csv", SPOILED)
    operator = task(of.ValidateOperator, uri=str(path), max_bad_share=0.0)
    with pytest.raises(Exception, match=r"Humidity\.range"):
        run(operator, context_of_task())
    inputs, outputs = told(operator, TaskInstanceState.FAILED)
    assert outputs == {}
    checked = inputs[f"file {path}"]
    assert checked.inputFacets["inputStatistics"].rowCount == 25
    whole, humidity = checked.inputFacets["dataQualityAssertions"].assertions
    assert (whole.assertion, whole.success) == ("declared rules", False)
    assert (humidity.column, humidity.assertion, humidity.success) == ("Humidity", "range", False)
    assert humidity.description == "1 of 25 rows break it"


def test_a_scoring_tells_which_versions_it_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = {"dataset_version": 7, "model_version": "3", "rows": 12, "predictions_version": 4}
    monkeypatch.setattr("almanac_airflow.steps.scoring.score", lambda *_: summary)
    operator = task(of.ScoreOperator)
    run(operator, context_of_task())
    inputs, outputs = told(operator)
    versions = {name: one.facets["version"].datasetVersion for name, one in {**inputs, **outputs}.items()}
    assert versions == {
        "almanac://default weather/dataset": "7",
        "almanac://default weather/champion": "3",
        "almanac://default weather/predictions": "4",
    }
    assert inputs["almanac://default weather/dataset"].inputFacets["inputStatistics"].rowCount == 12
    assert outputs["almanac://default weather/predictions"].outputFacets["outputStatistics"].rowCount == 12


def test_a_training_tells_which_version_it_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SimpleNamespace(logged=lambda _: SimpleNamespace(dataset_version=9))
    monkeypatch.setattr("almanac.registry.store.Registry.of", lambda _home: registry)
    monkeypatch.setattr("almanac_airflow.steps.training.train", lambda *_: "run1")
    operator = task(of.TrainOperator, decision={"accepted": True})
    assert run(operator, context_of_task()) == "run1"
    assert told(operator)[0]["almanac://default weather/dataset"].facets["version"].datasetVersion == "9"


@pytest.mark.parametrize("kind", [one for one in CLASSES if issubclass(one, ModelOperator)], ids=lambda k: k.__name__)
def test_every_class_tells_its_assets(home: Home, kind: type[ModelOperator]) -> None:
    with DAG("their_dag", schedule=None):
        operator = kind(**given(kind))
    used = kind.reads if kind.inputs is None else kind.inputs
    assert [one.name for one in lineage_of(operator).inputs] == [f"weather/{what}" for what in used]


def test_assets_of_any_task_are_converted_with_what_their_event_says(home: Home) -> None:
    event = {"dataset_version": 3, "published_rows": 7, "quarantined_rows": 0}
    found = translate_airflow_asset(Asset(name="dataset", uri="almanac://weather/dataset", extra=event), None)
    assert found is not None
    assert (found.namespace, found.name) == ("almanac://default", "weather/dataset")
    assert found.facets["version"].datasetVersion == "3"
    unknown = translate_airflow_asset(Asset(name="gone", uri="almanac://gone/champion"), None)
    assert unknown is not None
    assert unknown.facets == {}


def test_a_shared_dataset_is_told_as_that_of_its_owner(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    shutil.copytree(MODELS_FOLDER, models)
    weather = yaml.safe_load((models / "weather.yaml").read_text())
    sharing = {
        name: one for name, one in weather.items() if name not in ("source", "maintenance", "triggers", "pipelines")
    }
    (models / "snow.yaml").write_text(yaml.safe_dump({**sharing, "dataset": {"of": "weather"}}))
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    with DAG("their_dag", schedule=None):
        inputs = told(of.ScoreOperator(task_id="one", model="snow"))[0]
    dataset = inputs["almanac://default weather/dataset"]
    assert dataset.facets["symlinks"].identifiers[0].name == home.dataset_of("weather")
    assert set(inputs) == {"almanac://default weather/dataset", "almanac://default snow/champion"}


def test_an_address_of_something_else_is_not_converted(home: Home) -> None:
    assert to_openlineage(Asset(name="other", uri="file:///srv/x"), None) is None
    assert to_openlineage(Asset(name="bare", uri="almanac://weather"), None) is None


@pytest.mark.parametrize(
    ("location", "namespace", "name"),
    [
        ("/srv/a b/datasets/weather", "file", "/srv/a b/datasets/weather"),
        ("file:///srv/a%20b", "file", "/srv/a b"),
        ("s3://bucket/datasets/weather", "s3://bucket", "datasets/weather"),
        ("az://container", "az://container", "/"),
    ],
)
def test_places_are_named_as_openlineage_names_them(location: str, namespace: str, name: str) -> None:
    assert place_of(location) == {"namespace": namespace, "name": name}


class Receiver:
    """Takes events as Marquez and others do: `POST /api/v1/lineage` with a bearer token, JSON in the body."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.logins: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                known = self.path == "/api/v1/lineage"
                if known:
                    receiver.events.append(json.loads(body))
                    receiver.logins.add(self.headers.get("Authorization", ""))
                self.send_response(201 if known else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.end()


@pytest.mark.slow
def test_events_of_our_own_dag_reach_a_receiver(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    home = Home()
    land(home, "weather_2026-01.csv", SPOILED)
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "theirs.py").write_text(
        "from airflow.sdk import DAG\nfrom almanac_airflow.operators import IngestOperator\n"
        "with DAG('theirs', schedule=None):\n    IngestOperator(task_id='ingest', model='weather')\n"
    )
    login = {"type": "api_key", "apiKey": "a-secret-of-the-receiver"}
    transport = {"type": "http", "url": receiver.url, "auth": login}
    airflow = OneProcess(
        home, AIRFLOW__CORE__DAGS_FOLDER=str(folder), AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps(transport)
    )
    output = airflow.run("theirs")
    (done,) = [one for one in receiver.events if one["eventType"] == "COMPLETE" and one["outputs"]]
    (dataset,) = [one for one in done["outputs"] if one["name"] == "weather/dataset"]
    assert dataset["facets"]["version"]["datasetVersion"] == "0"
    assert dataset["outputFacets"]["outputStatistics"]["rowCount"] == 24
    assert done["job"]["name"] == "theirs.ingest"
    assert receiver.logins == {"Bearer a-secret-of-the-receiver"}
    assert "a-secret-of-the-receiver" not in output + json.dumps(receiver.events)
    shutil.rmtree(folder)
