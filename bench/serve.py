"""CPU per answered request, of the server's whole process tree: Almanac, MLflow's server, and an app that does nothing.

    python -m bench.serve [--requests 3000] [--connections 1 16] [--rows 1]

All answer rows of the shipped model by HTTP on loopback. Almanac reads, checks and logs them, and builds their
features, which look three hours back into the dataset, or (`rows alone`) at the row alone. `mlflow models serve` gets
the finished features of the same graph. The bare app answers a constant: what HTTP itself costs here. What a server
does in each second unasked (Almanac follows registry, journal and dataset) is measured before, and shown by itself.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil

from almanac.config.files.loader import find_model
from almanac.config.home import REPOSITORY
from almanac.services.ports import any_free_port
from tests.monitoring.world import champion_files
from tests.serving.world import GATES, Online, as_rows, graph_of, next_hours

IDLE_S = 5.0
BARE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def answer(request):
    await request.body()
    return Response(b'{"answer": 1}', media_type="application/json")


uvicorn.run(Starlette(routes=[Route("/", answer, methods=["POST", "GET"])]), port=int(sys.argv[1]), log_level="error")
"""


@dataclass(frozen=True)
class Target:
    """A server that runs: where and what it is asked, and how it is found ready."""

    name: str
    url: str
    ready: str
    content: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """Of one server at one number of connections: CPU and wall time per request, in milliseconds.

    `idle_ms` is the CPU of each second in which nothing is asked; it is not in `cpu_ms`.
    """

    name: str
    connections: int
    idle_ms: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


@contextmanager
def running(command: list[str], environment: Mapping[str, str], ready: str) -> Iterator[psutil.Process]:
    """A server, from when it answers until it is ended with its children."""
    with tempfile.TemporaryFile() as output:
        started = psutil.Popen(
            command, env={**os.environ, **environment}, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + 300
            while not _answers(ready):
                if started.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise SystemExit(f"{command}: does not answer: {output.read()[-2000:]!r}")
                time.sleep(0.2)
            yield started
        finally:
            tree = [*started.children(recursive=True), started]
            for process in tree:
                process.terminate()
            psutil.wait_procs(tree, timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process and all that it has started."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def ask(target: Target, requests: int, connections: int) -> list[float]:
    """Milliseconds of each answer; each connection asks again as soon as it is answered."""
    took: list[float] = []

    async def one(client: httpx.AsyncClient, count: int) -> None:
        for _ in range(count):
            began = time.perf_counter()
            said = await client.post(target.url, content=target.content, headers=dict(target.headers), timeout=120)
            took.append((time.perf_counter() - began) * 1e3)
            if said.status_code != 200:
                raise SystemExit(f"{target.name}: {said.status_code} {said.text[:500]}")

    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits) as client:
        await asyncio.gather(*(one(client, requests // connections) for _ in range(connections)))
    return sorted(took)


def measure(target: Target, process: psutil.Process, requests: int, connections: int) -> Measured:
    """Warm the server, look what it does unasked, then ask."""
    asyncio.run(ask(target, max(requests // 10, connections), connections))
    before, began = cpu_s(process), time.monotonic()
    time.sleep(IDLE_S)
    idle = (cpu_s(process) - before) / (time.monotonic() - began)
    before, began = cpu_s(process), time.monotonic()
    took = asyncio.run(ask(target, requests, connections))
    # a busy machine asks slowly: what the server does each second would be counted as of the few requests
    cpu_ms = (cpu_s(process) - before - idle * (time.monotonic() - began)) / len(took) * 1e3
    return Measured(target.name, connections, idle * 1e3, cpu_ms, took[len(took) // 2], took[int(len(took) * 0.99)])


def almanac(folder: Path, name: str, rows: int, **declared: object) -> tuple[Target, list[str], dict[str, str]]:
    """The service of a home whose registry is away, with the version that it kept."""
    online, port = Online(folder, **declared), any_free_port()
    online.versions.graphs["1"] = graph_of(find_model(online.home.models, "weather"))
    online.start()
    token = online.service.tokens.create(
        "bench", models=("weather",), lasts=timedelta(days=1), by="bench", now=datetime.now(UTC)
    )
    environment = {
        "ALMANAC_HOME": str(online.home.home),
        "ALMANAC_MODELS": str(online.home.models),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    target = Target(
        name,
        f"http://127.0.0.1:{port}/v1/models/weather/predict",
        f"http://127.0.0.1:{port}/ready",
        json.dumps({"rows": as_rows(next_hours(rows))}).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    return target, [sys.executable, "-m", "almanac.cli", "serve", "--port", str(port)], environment


def mlflow(folder: Path, rows: int) -> tuple[Target, list[str], dict[str, str]]:
    """MLflow's own server of the same graph."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import infer_signature

    graph, port = onnx.load_from_string(champion_files()[0]), any_free_port()
    width = graph.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    row = np.zeros((rows, width), dtype=np.float32)
    mlflow.onnx.save_model(graph, str(folder / "mlflow"), signature=infer_signature(row))
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow"), "-p", str(port)]
    target = Target(
        "mlflow models serve",
        f"http://127.0.0.1:{port}/invocations",
        f"http://127.0.0.1:{port}/ping",
        json.dumps({"inputs": row.tolist()}).encode(),
        {"Content-Type": "application/json"},
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it calls `uvicorn` by name
    return target, [*command, "--env-manager", "local"], {"PATH": path}


def bare() -> tuple[Target, list[str], dict[str, str]]:
    """A Starlette app that answers a constant."""
    port = any_free_port()
    target = Target("bare app", f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/", b'{"rows": [{}]}', {})
    return target, [sys.executable, "-c", BARE, str(port)], {}


def main() -> None:
    """Measure and print a table; ratios are against other servers at the same number of connections, in this run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000, help="answered requests per figure")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16], help="at the same time")
    parser.add_argument("--rows", type=int, default=1, help="in one request")
    options = parser.parse_args()
    alone = [{"column": name} for name in ("Temperature_C", "Humidity", "Wind_speed_kmph", "Pressure_millibars")]
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        servers = [
            bare(),
            mlflow(Path(folder), options.rows),
            almanac(Path(folder, "history"), "almanac, looks back", options.rows),
            almanac(Path(folder, "alone"), "almanac, rows alone", options.rows, features=alone, gates=GATES),
        ]
        for target, command, environment in servers:
            with running(command, environment, target.ready) as process:
                for connections in options.connections:
                    found.append(measure(target, process, options.requests, connections))
                    print(f"measured {target.name} with {connections} connections", file=sys.stderr, flush=True)
    cpu_ms = {(one.name.partition(" ")[0], one.connections): one.cpu_ms for one in found}
    print(f"{'server':22} connections  idle CPU ms/s  CPU ms  p50 ms  p99 ms  of MLflow's CPU  bare app's CPU of it")
    for one in found:
        times = f"{one.idle_ms:13.1f}  {one.cpu_ms:6.2f}  {one.p50_ms:6.1f}  {one.p99_ms:6.1f}"
        of_mlflow = one.cpu_ms / cpu_ms["mlflow", one.connections]
        bare_of_it = cpu_ms["bare", one.connections] / one.cpu_ms
        print(f"{one.name:22} {one.connections:11}  {times}  {of_mlflow:15.2f}  {bare_of_it:20.0%}")


if __name__ == "__main__":
    main()
