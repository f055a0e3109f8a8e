"""A real MLflow server that hands artifacts through, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from almanac.registry.store import Registry
from almanac.services.ports import any_free_port
from tests.waiting import wait


@contextmanager
def mlflow_server(root: Path, artifacts: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Start a server with a database in a folder, give its URL, and end it afterwards.

    Args:
        root: where its database and its log go.
        artifacts: the folder or store that only it may reach.
        environment: beside this process's.
    """
    _ = Registry(f"sqlite:///{root}/mlflow.db").client  # makes the tables, or copies them: tests/mlflow_tables.py
    port = any_free_port()
    address = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    kept = ("--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--artifacts-destination", artifacts)
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *address, *kept],
            cwd=root,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: _is_up(url), f"MLflow; see {root}/log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it waits half a minute for connections that nobody closes
        process.wait()


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.ConnectionError:
        return False
