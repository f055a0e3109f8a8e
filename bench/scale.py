"""How cost grows with the number of models, files and users: parsing, the scheduler's loop, latency, the REST API.

    python -m bench.scale parse --models 1 10 100 300 [--dag-factory /path/to/python]
    python -m bench.scale scheduler --models 1 10 100 300
    python -m bench.scale latency --files-per-minute 1 10 100
    python -m bench.scale api --users 20 --seconds 60

`parse`: each DAG file in a process that has Airflow imported, as the dag-processor's children have; all models, and
one, as a task that begins does (`get_parsing_context`). dag-factory makes as many DAGs of four tasks from YAML, in an
environment of its own: `uv pip install dag-factory apache-airflow==3.3.2`. `scheduler`: `airflow scheduler --num-runs`
with no pause, nothing to do, on SQLite: the time of 60 loops less that of 10. `latency`: one model for each rate on the
services of one machine, from the file's landing to its row in the journal. `api`: users who list DAGs, look at runs,
tasks and health, one request after the other, over loopback.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import yaml

from almanac.config.credentials import generate
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.services.databases import create_databases, migrate_airflow
from almanac.services.environment import environment
from almanac.services.ports import Ports
from almanac.services.supervision.supervision import log_file

_LOOPS = (10, 60)


def declare(folder: Path, count: int) -> Path:
    """As many models as asked for, each like the shipped one."""
    models = folder / "models"
    models.mkdir(parents=True)
    shutil.copy(MODELS_FOLDER / "_defaults.yaml", models)
    for number in range(count):
        shutil.copy(MODELS_FOLDER / "weather.yaml", models / f"model_{number:03}.yaml")
    return models


def parse(counts: list[int], dag_factory: str) -> None:
    """CPU seconds for each DAG file, and the memory of a process that has read them all."""
    print("| models | DAGs | all files, CPU s | a file: mean (worst) | for one DAG: mean | memory, MB |", end="")
    print(" dag-factory, CPU s | MB |" if dag_factory else "")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            home = Home(home=Path(folder), models=declare(Path(folder), count))
            found = _child("bench.scale", ["_parse"], environment(home, Ports(), generate()), sys.executable)
            cells = [count, found["dags"], f"{found['all']:.2f}", f"{found['mean']:.3f} ({found['worst']:.3f})"]
            cells += [f"{found['alone']:.3f}", f"{found['memory_mb']:.0f}"]
            if dag_factory:
                other = _dag_factory(Path(folder), found["dags"], dag_factory)
                cells += [f"{other['all']:.2f}", f"{other['memory_mb']:.0f}"]
        print("|", " | ".join(map(str, cells)), "|", flush=True)


def _child(module: str, arguments: list[str], variables: dict[str, str], python: str) -> dict[str, float]:
    done = subprocess.run(
        [python, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**variables, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), variables["PYTHONPATH"]])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _parse_here() -> None:
    """In the child."""
    from importlib.util import module_from_spec, spec_from_file_location

    from airflow.sdk import DAG
    from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

    def read(path: Path, dag_id: str | None = None) -> tuple[float, list[str]]:
        spec = spec_from_file_location(f"scale_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{path}: cannot be imported")
        module = module_from_spec(spec)
        started = time.process_time()
        with _airflow_parsing_context_manager(dag_id=dag_id):
            spec.loader.exec_module(module)
        return time.process_time() - started, [one.dag_id for one in vars(module).values() if isinstance(one, DAG)]

    files = sorted((REPOSITORY / "dags").glob("*.py"))
    for path in files:
        read(path)  # what the first file imports is not the cost of models
    times = {path: read(path) for path in files}
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone = [read(path, dags[0])[0] for path, (_, dags) in times.items() if len(dags) > 0]
    seconds = [one for one, _ in times.values()]
    found = {
        "all": sum(seconds),
        "mean": sum(seconds) / len(seconds),
        "worst": max(seconds),
        "alone": sum(alone) / len(alone),
        "dags": sum(len(dags) for _, dags in times.values()),
        "memory_mb": memory_mb,
    }
    print(json.dumps(found))


_DAG_FACTORY = """
import json, resource, sys, time
from pathlib import Path
import dagfactory
load = lambda: dagfactory.load_yaml_dags(globals_dict={}, config_filepath=sys.argv[1])
started = time.process_time(); load(); seconds = time.process_time() - started
print(json.dumps({"all": seconds, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def _dag_factory(folder: Path, dags: float, python: str) -> dict[str, float]:
    """The same number of DAGs of four tasks in a chain."""
    operator = "airflow.providers.standard.operators.bash.BashOperator"
    tasks = [
        {"task_id": f"task_{n}", "operator": operator, "bash_command": "true"}
        | ({"dependencies": [f"task_{n - 1}"]} if n else {})
        for n in range(4)
    ]
    declared = {f"dag_{n:04}": {"schedule": "@daily", "tasks": tasks} for n in range(int(dags))}
    declared["default"] = {"default_args": {"owner": "almanac", "start_date": "2026-01-01"}}
    (folder / "dags.yaml").write_text(yaml.safe_dump(declared), "utf-8")
    variables = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(folder / "other")}
    done = subprocess.run(
        [python, "-c", _DAG_FACTORY, str(folder / "dags.yaml")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def scheduler(counts: list[int]) -> None:
    """Milliseconds of a loop in which nothing is to be done, and the scheduler's memory."""
    print("| models | loop, ms | memory, MB |")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            home = Home(home=Path(folder), models=declare(Path(folder), count))
            variables = environment(home, Ports(), generate())
            variables |= {"AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0", "ALMANAC_WARM_WORKERS": "0"}
            variables |= {"AIRFLOW__CORE__PARALLELISM": "1", "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}
            log_file(home, "airflow-migrate").parent.mkdir(parents=True)
            create_databases(home)
            migrate_airflow(home, variables)
            _airflow(variables, "dags", "reserialize")
            (short, _), (long, memory_mb) = (_airflow(variables, "scheduler", "--num-runs", str(n)) for n in _LOOPS)
        print(f"| {count} | {(long - short) / (_LOOPS[1] - _LOOPS[0]) * 1000:.1f} | {memory_mb:.0f} |", flush=True)


def _airflow(variables: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Seconds, and the peak of the memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow", *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(output.decode()[-2000:])
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def latency(rates: list[int], minutes: float) -> None:
    """Seconds from landing to the journal."""
    from almanac.journal.journal import Journal
    from tests.faults.landing_stores import Quay, declare

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "models").mkdir()
        (root / "faults").mkdir()
        shutil.copy(MODELS_FOLDER / "_defaults.yaml", root / "models")
        names = [f"rate_{rate}" for rate in rates]
        declare(root / "models", names)
        home = Home(home=root, models=root / "models")
        print("| files a minute | files | seconds to the journal: median | 95 % | worst |")
        with _services(home):
            for rate, name in zip(rates, names, strict=True):
                quay, landed, count = Quay(home, name, root / "faults"), {}, max(3, int(rate * minutes))
                for _ in range(count):
                    landed[quay.land().batch_id] = time.time()
                    time.sleep(60 / rate if rate > 1 else 20)
                while not quay.published():
                    time.sleep(0.5)
                recorded = {
                    one.batch_id: one.recorded_at.timestamp() for one in Journal(home.journal_url).batches(name)
                }
                waits = sorted(recorded[batch] - at for batch, at in landed.items())
                late = quantiles(waits, n=20, method="inclusive")[-1]
                print(f"| {rate} | {count} | {median(waits):.1f} | {late:.1f} | {waits[-1]:.1f} |", flush=True)


def api(users: int, seconds: float) -> None:
    """Requests a second, their times, and how they were answered."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(home=Path(folder), models=declare(Path(folder), 3))
        with _services(home) as services:
            times: list[float] = []
            answers: Counter[str] = Counter()
            lock, end = threading.Lock(), time.monotonic() + seconds

            def use(_number: int) -> None:
                runs = "/dags/ingest_model_000/dagRuns"
                paths = ("/dags", runs, "/dags/~/dagRuns/~/taskInstances", "/monitor/health")
                with services.airflow() as airflow:
                    while time.monotonic() < end:
                        for path in paths:
                            started = time.perf_counter()
                            try:
                                airflow.call("GET", path)
                                answer = "answered"
                            except Exception as error:  # noqa: BLE001 - counted, and printed
                                answer = str(error)[:100]
                            with lock:
                                times.append(time.perf_counter() - started)
                                answers[answer] += 1

            with ThreadPoolExecutor(users) as pool:
                list(pool.map(use, range(users)))
    late = quantiles(times, n=100)
    print(f"{users} users, {seconds:.0f} s: {len(times) / seconds:.1f} requests/s; median {median(times):.3f} s,")
    print(f"95 % {late[94]:.3f} s, 99 % {late[98]:.3f} s, worst {max(times):.3f} s; {dict(answers)}")


@contextmanager
def _services(home: Home) -> Iterator["Services"]:  # noqa: F821
    from almanac.services.services import Services

    with Services(home, report=lambda text: sys.stderr.write(f"{text}\n")).running() as services:
        with services.airflow() as airflow:
            while not any(dag.startswith("ingest_") for dag in airflow.dag_ids()):
                time.sleep(1)
        yield services


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["parse", "scheduler", "latency", "api", "_parse"])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 10, 100, 300])
    parser.add_argument("--dag-factory", default="", help="a python that has it")
    parser.add_argument("--files-per-minute", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    {
        "parse": lambda: parse(asked.models, asked.dag_factory),
        "scheduler": lambda: scheduler(asked.models),
        "latency": lambda: latency(asked.files_per_minute, asked.minutes),
        "api": lambda: api(asked.users, asked.seconds),
        "_parse": _parse_here,
    }[asked.what]()


if __name__ == "__main__":
    main()
