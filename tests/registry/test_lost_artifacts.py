"""What MLflow's server cannot fetch just now is asked for again; what is gone is told as gone."""

from collections.abc import Iterator
from typing import Any

import pytest

from almanac.errors import RegistryError, TransientError
from almanac.registry import files
from almanac.registry.errors import mlflow_errors
from almanac.registry.store import Registry
from tests.servers.door import Door
from tests.servers.mlflow import mlflow_server
from tests.servers.s3 import S3Server

BUCKET = "lost-artifacts"


@pytest.fixture(scope="module")
def door(s3_server: S3Server) -> Iterator[Door]:
    """Before the store in which the server keeps the files."""
    s3_server.create_bucket(BUCKET)
    with Door(s3_server.url) as door:
        yield door


@pytest.fixture(scope="module")
def client(s3_server: S3Server, door: Door, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    store = {**s3_server.environment, "MLFLOW_S3_ENDPOINT_URL": door.url, "AWS_ENDPOINT_URL": door.url}
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), f"s3://{BUCKET}", store) as url:
        yield Registry(url).client


@pytest.fixture(scope="module")
def run_id(client: Any) -> str:
    run: str = client.create_run(client.create_experiment("lost")).info.run_id
    client.log_text(run, "graph", "model/model.onnx")
    client.log_text(run, "{}", "manifest.json")
    return run


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def read(client: Any, run_id: str, path: str) -> bytes:
    with mlflow_errors("a test"):
        return files.Artifacts.of(client, client.get_run(run_id)).read(path)


def test_download_gives_the_bytes(client: Any, run_id: str) -> None:
    assert read(client, run_id, "model/model.onnx") == b"graph"


def test_sizes_are_of_all_files(client: Any, run_id: str) -> None:
    assert files.Artifacts.of(client, client.get_run(run_id)).sizes() == {"manifest.json": 2, "model/model.onnx": 5}


def test_download_of_what_is_gone_says_so(client: Any, run_id: str) -> None:
    with pytest.raises(RegistryError, match=r"has no file 'model/other\.onnx' in .* Restore the version"):
        read(client, run_id, "model/other.onnx")


def test_download_while_the_store_is_away_is_a_passing_fault(client: Any, run_id: str, door: Door) -> None:
    door.shut()
    try:
        with pytest.raises(TransientError, match="MLflow is away"):
            read(client, run_id, "manifest.json")
    finally:
        door.open()
    assert read(client, run_id, "manifest.json") == b"{}"
