"""A real Prometheus reads the metrics with a token, and a rule fires on them."""

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from almanac.config.home import REPOSITORY
from almanac.control.metrics import CONTENT_TYPE, render_metrics
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from tests.journal.test_journal import BATCH
from tests.monitoring.world import WEATHER
from tests.waiting import wait

PROMETHEUS = shutil.which("prometheus")
TOKEN = "almanac_of_this_test"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus (Debian's package of that name) on the PATH"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Journal, int]]:
    """The metrics of a journal, for who has the token."""
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            body = render_metrics([WEATHER], journal, datetime.now(UTC)).encode() if known else b""
            self.send_response(200 if known and self.path == "/almanac/metrics" else 401)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_more: object) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield journal, found.server_address[1]
    found.shutdown()
    found.server_close()


@pytest.fixture
def prometheus(server: tuple[Journal, int], tmp_path: Path) -> Iterator[str]:
    """Prometheus with our configuration, quicker, and its address."""
    config = yaml.safe_load((REPOSITORY / "monitoring" / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{server[1]}"]}]
    job["authorization"]["credentials_file"] = str(tmp_path / "token")
    (tmp_path / "token").write_text(TOKEN, "utf-8")
    shutil.copy(REPOSITORY / "monitoring" / "alerts.yaml", tmp_path)
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_address[1]
    process = subprocess.Popen(
        [
            str(PROMETHEUS),
            f"--config.file={tmp_path}/prometheus.yaml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def ask(address: str) -> dict[str, object]:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - of this test
            found: dict[str, object] = json.load(answer)["data"]
            return found
    except OSError:  # it does not listen yet
        return {}


def test_prometheus_scrapes_and_a_rule_fires(server: tuple[Journal, int], prometheus: str) -> None:
    journal, _ = server

    def firing() -> set[str]:
        alerts = ask(f"{prometheus}/api/v1/alerts").get("alerts", [])
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}  # type: ignore[attr-defined]

    def samples() -> object:
        return ask(f"{prometheus}/api/v1/query?query=almanac_batches_total").get("result")

    wait(samples, "the first samples", 120)
    assert firing() == set()
    for number in range(20):
        journal.record_batch(replace(BATCH, batch_id=f"{number:064}", state=BatchState.REJECTED))
    wait(lambda: "AlmanacBatchesRejected" in firing(), "the rule to fire", 120)
