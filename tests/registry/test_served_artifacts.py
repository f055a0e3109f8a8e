"""Files of MLflow's runs go to its server, and through it alone: the store behind it is nobody else's to reach."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from almanac.backup.restore.repair import repair_subjects
from almanac.backup.snapshot.sources import SourceFile
from almanac.backup.snapshot.writer import Draft, take
from almanac.config.home import Home
from almanac.errors import TransientError
from almanac.registry.files import sha256
from almanac.registry.served_artifacts import hash_served, holds_files, is_served, put_files
from tests.backup.repositories import MAKER, repository_at

ROOT = "/api/2.0/mlflow-artifacts/artifacts"


class Artifacts(ThreadingHTTPServer):
    """The part of MLflow's server that takes, lists and gives artifacts; it would send its clients to its store."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Artifacts

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.files[unquote(urlsplit(self.path).path).removeprefix(f"{ROOT}/")] = self.rfile.read(length)
        self._answer({})

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "server-info" in self.path:
            self._answer({"multipart_uploads_enabled": True, "multipart_downloads_enabled": True})
            return
        name = unquote(urlsplit(self.path).path).removeprefix(f"{ROOT}/")
        if name in self.server.files:
            self._send(self.server.files[name], "application/octet-stream")
            return
        (path,) = parse_qs(urlsplit(self.path).query).get("path", [""])
        below = [name.removeprefix(f"{path}/") for name in self.server.files if name.startswith(f"{path}/")]
        tops = sorted({name.split("/")[0] for name in below})
        self._answer({"files": [{"path": top, "is_dir": top not in below, "file_size": 1} for top in tops]})

    def _answer(self, body: dict[str, object]) -> None:
        self._send(json.dumps(body).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output for the tests."""


@pytest.fixture
def server() -> Iterator[Artifacts]:
    with Artifacts() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_put_files_lays_every_file_at_its_place_and_asks_nobody_else(server: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"graph")
    (tmp_path / "passport.json").write_bytes(b"{}")

    put_files(tmp_path, "mlflow-artifacts:/1/run/artifacts", server.url)

    assert server.files == {
        "1/run/artifacts/model/model.onnx": b"graph",
        "1/run/artifacts/passport.json": b"{}",
    }
    assert [path for path in server.asked if "presigned" in path or "/mpu/" in path] == []


def test_holds_files_is_what_the_server_says(server: Artifacts, tmp_path: Path) -> None:
    place = "mlflow-artifacts:/1/run/artifacts"
    assert not holds_files(place, server.url)

    (tmp_path / "one").write_bytes(b"1")
    put_files(tmp_path, place, server.url)
    assert holds_files(place, server.url)


def test_hash_served_is_of_the_bytes_that_the_server_gives(server: Artifacts, tmp_path: Path) -> None:
    place = "mlflow-artifacts:/1/run/artifacts"
    server.files["1/run/artifacts/model/model.onnx"] = b"graph"

    assert hash_served(place, "model/model.onnx", server.url) == sha256(b"graph")
    with pytest.raises(FileNotFoundError, match="model/other"):
        hash_served(place, "model/other", server.url)


def test_repair_of_a_served_artifact_goes_through_the_server(server: Artifacts, tmp_path: Path) -> None:
    place = repository_at(tmp_path / "backups")
    facts = {"version": "1", "artifact_path": "1/run/artifacts"}
    graph = SourceFile("artifacts/model/model.onnx", lambda: iter((b"graph",)), 5)
    take(place, Draft("model/weather", [graph], facts), maker=MAKER)
    server.files["1/run/artifacts/model/model.onnx"] = b"grape"
    home = Home(home=tmp_path, MLFLOW_TRACKING_URI=server.url, artifacts="mlflow-artifacts:")

    (done,) = repair_subjects(home, place, ["model/weather"])

    assert (len(done.repaired), done.left) == (1, [])
    assert server.files["1/run/artifacts/model/model.onnx"] == b"graph"


def test_holds_files_of_a_server_that_is_away_is_a_passing_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(TransientError, match="mlflow-artifacts:/1/run: MLflow is away"):
        holds_files("mlflow-artifacts:/1/run", "http://127.0.0.1:9")


def test_is_served_is_no_folder_and_no_store() -> None:
    assert is_served("mlflow-artifacts:/1/run")
    assert not any(map(is_served, ("/var/mlartifacts", "s3://bucket/mlartifacts", "file:///var")))
