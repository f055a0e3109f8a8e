"""The stack of docker-compose.yaml with docker-compose.objects.yaml over it: nothing that grows is on a disk.

Its connections are in a secrets back end of Airflow: no login of a place is in the environment of its services.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import polars as pl
import pytest

from almanac.backup.restore.live import restore_live
from almanac.backup.snapshot.verify import verify
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.tasks.run_backup import repositories_of
from almanac.config.credentials import ADMIN
from almanac.config.files.loader import find_model
from almanac.config.home import REPOSITORY
from almanac.data.table.dataset import DatasetTable
from almanac.errors import AlmanacError
from almanac.registry.store import Registry
from almanac.scoring.predictions import PredictionTable
from almanac.storage.files import write_bytes
from almanac.storage.objects import open_store
from almanac.training.passport import load_passport
from demo.native.debian import missing
from demo.native.stack import DATA_STORES, NativeStack
from tests.production import small_weather
from tests.production.small_weather import MODEL
from tests.servers.azure import AzureServer
from tests.servers.s3 import S3Server
from tests.servers.stores import BUCKET

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
OBJECTS = REPOSITORY / "docker-compose.objects.yaml"


@dataclass(frozen=True)
class Cloud:
    """A store as its users know it: a place, the Airflow connection, and what MLflow's server wants.

    Attributes:
        environment: for this process, as production would set it.
    """

    store: str
    artifacts: str
    connection: str
    mlflow: Mapping[str, str]
    environment: Mapping[str, str]


def _on_s3(server: S3Server) -> Cloud:
    store, environment = f"s3://{BUCKET}/{uuid4()}", server.environment
    connection = {
        "conn_type": "generic",
        "login": server.access_key,
        "password": server.secret_key,
        "extra": {"region_name": environment["AWS_REGION"], "endpoint_url": server.url},
    }
    mlflow = {**environment, "AWS_DEFAULT_REGION": environment["AWS_REGION"]}
    return Cloud(store, f"{store}/mlartifacts", json.dumps(connection), mlflow, environment)


def _on_azure(server: AzureServer) -> Cloud:
    folder, endpoint = uuid4(), server.environment["AZURE_STORAGE_ENDPOINT"]
    connection = {
        "conn_type": "generic",
        "login": server.account,
        "password": server.key,
        "extra": {"endpoint_url": endpoint},
    }
    account = f"AccountName={server.account};AccountKey={server.key}"
    text = f"DefaultEndpointsProtocol=http;{account};BlobEndpoint={endpoint};"
    artifacts = f"wasbs://{BUCKET}@{server.account}.blob.core.windows.net/{folder}/mlartifacts"
    mlflow = {"AZURE_STORAGE_CONNECTION_STRING": text}
    return Cloud(f"abfs://{BUCKET}/{folder}", artifacts, json.dumps(connection), mlflow, server.environment)


class _SecretsBackEnd:
    """Where this stack's connections are, all of them: in a back end of Airflow's, and not in the environment."""

    def __init__(self, root: Path) -> None:
        self._file = root / "connections.json"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(self._file)}),
            **{f"AIRFLOW_CONN_ALMANAC_{name}": "" for name in ("STORAGE", "JOURNAL", "MLFLOW")},
        }

    def fill(self, stack: NativeStack, cloud: Cloud) -> None:
        postgres = stack.secrets["POSTGRES_PASSWORD"]
        connections = {
            "almanac_storage": json.loads(cloud.connection),
            "almanac_journal": {"conn_type": "postgres", "login": "almanac", "password": postgres},
            "almanac_mlflow": {"conn_type": "http", "login": ADMIN, "password": stack.mlflow_password},
        }
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(connections), "utf-8")


@pytest.fixture(scope="module", params=["s3", "azure"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    if request.param == "s3":
        return _on_s3(request.getfixturevalue("s3_server"))
    return _on_azure(request.getfixturevalue("azure_server"))


@pytest.fixture(scope="module")
def stack(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    if packages := missing(DATA_STORES):
        pytest.skip(f"apt-get install {' '.join(packages)}")
    root: Path = tmp_path_factory.mktemp("objects")
    small_weather.declare(root / "models")
    back_end = _SecretsBackEnd(root)
    stack = NativeStack(
        root,
        workers=2,
        extra=back_end.environment,
        models=root / "models",
        report=print,
        overrides=[OBJECTS],
        values={"ALMANAC_STORE": cloud.store, "ALMANAC_ARTIFACT_STORE": cloud.artifacts},
        mlflow=cloud.mlflow,
    )
    back_end.fill(stack, cloud)
    with pytest.MonkeyPatch.context() as patch, stack.running():
        for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
            patch.delenv(name)
        login = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": stack.mlflow_password}
        for name, value in {**cloud.environment, **login}.items():
            patch.setenv(name, value)
        _play(stack)
        yield stack


def _play(stack: NativeStack) -> None:
    """A history with one bad row lands; a model is trained on it, becomes champion, scores; everything is backed up."""
    content, rows = small_weather.history()
    bad = small_weather.month(small_weather.MONTHS)[:1].with_columns(pl.lit(5.0).alias("Humidity"))
    content += bad.write_csv(include_header=False).encode()
    dataset = DatasetTable.of(stack.home, find_model(stack.home.models, MODEL))
    with stack.airflow() as airflow:
        _wait("the DAGs", lambda: {f"ingest_{MODEL}", f"train_{MODEL}", "backup_databases"} <= set(airflow.dag_ids()))
        write_bytes(f"{stack.home.landing_of(MODEL)}/history.csv", content)
        _wait("the history", lambda: dataset.exists() and dataset.count() == rows)
        small_weather.run(airflow, f"train_{MODEL}", {"reason": "the first"})
        small_weather.run(airflow, f"score_{MODEL}", {"since": "2023-06-01T00:00:00Z", "until": "2023-06-08T00:00:00Z"})
        small_weather.run(airflow, "backup_databases", {"reason": "the test"})


def _wait(what: str, until: Callable[[], Any], timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(1)


def _objects(cloud: Cloud, place: str) -> tuple[Any, list[str]]:
    """The store, and the keys of all objects below a place."""
    store, prefix = open_store(f"{cloud.store}/{place}")
    return store, [one["path"] for chunk in obstore.list(store, prefix) for one in chunk]


@pytest.mark.parametrize("place", ["datasets", "quarantine", "predictions", "reports", "backups", "mlartifacts"])
def test_place_is_in_the_store_and_not_on_the_disk(stack: NativeStack, cloud: Cloud, place: str) -> None:
    assert _objects(cloud, place)[1]
    for volume in ("home", "mlflow"):
        assert not (stack.root / "volumes" / volume / place).exists()


def test_champion_is_read_by_mlflow_from_the_store_and_is_what_was_recorded(stack: NativeStack) -> None:
    champion = Registry.of(stack.home).champion(MODEL)

    assert champion is not None
    assert Registry.of(stack.home).load_onnx(champion)  # its hash is compared with the version's tag
    assert load_passport(Registry.of(stack.home), champion).data.dataset_version == 0


def test_predictions_of_the_week_are_there_once(stack: NativeStack) -> None:
    table = PredictionTable.of(stack.home, find_model(stack.home.models, MODEL))
    since = datetime(2023, 6, 1, tzinfo=UTC)
    found = table.read("1", since=since, until=since + timedelta(days=7))

    assert found.height == found["time"].n_unique() == 7 * 24


def test_backup_of_everything_is_whole(stack: NativeStack) -> None:
    place = repositories_of(stack.home, "").first
    refs = Catalogue(place).refs()

    verified = verify(place, refs, level=3, now=datetime.now(UTC))
    assert {ref.subject for ref in refs} >= {"group/all", f"model/{MODEL}", f"dataset/{MODEL}", "database/mlflow"}
    assert verified.findings == ()


def test_lost_artifacts_come_back_through_mlflow_s_server(stack: NativeStack, cloud: Cloud) -> None:
    registry = Registry.of(stack.home)
    champion = registry.champion(MODEL)
    assert champion is not None
    graph = registry.load_onnx(champion)
    obstore.delete(*_objects(cloud, "mlartifacts"))
    with pytest.raises(AlmanacError, match="MLflow"):
        registry.load_onnx(champion)

    place = repositories_of(stack.home, "").first
    restore_live(place, Catalogue(place).find(f"model/{MODEL}"), stack.home)

    assert registry.load_onnx(champion) == graph


def test_no_log_shows_a_key_of_the_store(stack: NativeStack, cloud: Cloud) -> None:
    key = json.loads(cloud.connection)["password"]
    logs = [*(stack.root / "services" / "logs").glob("*"), *(stack.root / "volumes").rglob("*.log")]

    assert len(logs) > 10
    assert [path for path in logs if path.is_file() and key in path.read_text("utf-8", errors="replace")] == []
