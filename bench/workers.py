"""What more Celery workers give: 200 mapped tasks, and the files of 20 models that land at once.

    python -m bench.workers [--workers 1 2 4] [--tasks 200] [--models 20]

Starts the stack of docker-compose.yaml natively (PostgreSQL, Redis, as many workers as the largest number asked for, of
four slots each) and stops the workers that a measurement must do without. Tasks that do nothing cost the processors of
this machine, tasks that wait for something (here two seconds) cost slots: all workers are on one machine, so the first
show what a task costs and the second what a worker more gives. The files' time is from the landing of the first to the
row of the last in the journal. The baseline of all ratios is one worker in the same run.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from almanac.config.home import MODELS_FOLDER, REPOSITORY
from bench.real_airflow import check, run_to_its_end, wait_for_dags
from demo.native.stack import NativeStack
from tests.faults.landing_stores import Quay, declare

_SLOTS = 4
_WAIT_S = 2.0
_FILES = 3  # of each model, one after the other
_READY_S = 30.0  # a worker imports what its tasks need before it takes one
_FILES_S = 600.0
_MAPPED = '''"""Tasks that do nothing but wait."""

import time

from airflow.sdk import dag, task


@dag(schedule=None, params={"seconds": 0.0, "tasks": 1})
def mapped():
    @task
    def numbers(params=None):
        return list(range(params["tasks"]))

    @task
    def one(number, params=None):
        time.sleep(params["seconds"])

    one.expand(number=numbers())


mapped()
'''


def mapped(stack: NativeStack, tasks: int, seconds: float) -> float:
    """Seconds from the start of the first of the mapped tasks to the end of the last."""
    with stack.airflow() as airflow:
        run = run_to_its_end(airflow, "mapped", {"tasks": tasks, "seconds": seconds})
        path, found = f"/dags/mapped/dagRuns/{run.run_id}/taskInstances", list[dict[str, Any]]()
        while len(found) <= tasks:  # and the one that says how many
            answer: Any = airflow.call("GET", path, limit="100", offset=str(len(found)))
            found += answer["task_instances"]
    starts, ends = ([datetime.fromisoformat(one[key]) for one in found] for key in ("start_date", "end_date"))
    return (max(ends) - sorted(starts)[1]).total_seconds()


def ingest(quays: Sequence[Quay]) -> float:
    """Seconds until a file of each model is in the journal."""
    began = time.monotonic()
    for quay in quays:
        quay.land()
    while not all(quay.published() for quay in quays):
        check(time.monotonic() - began < _FILES_S, "a file was not published")
        time.sleep(0.2)
    return time.monotonic() - began


def prepare(root: Path, names: Sequence[str]) -> None:
    """Small models, and of the DAG files only those that are at work here."""
    (root / "models").mkdir()
    (root / "faults").mkdir()
    (root / "dags").mkdir()
    shutil.copy(MODELS_FOLDER / "_defaults.yaml", root / "models")
    declare(root / "models", names)
    for path in (root / "models").glob("model_*.yaml"):
        declared = yaml.safe_load(path.read_text("utf-8"))
        declared["source"]["sweep"] = "0 0 1 1 *"  # nothing but the files is at work
        path.write_text(yaml.safe_dump(declared), "utf-8")
    shutil.copy(REPOSITORY / "dags" / "ingest.py", root / "dags")
    (root / "dags" / "mapped.py").write_text(_MAPPED, "utf-8")


def measure(workers: Sequence[int], tasks: int, models: int) -> None:
    """Print a line for each number of workers, the fewest first."""
    names = [f"model_{number:02}" for number in range(models)]
    most = max(workers)
    with tempfile.TemporaryDirectory(prefix="almanac-workers-") as folder:
        root = Path(folder)
        prepare(root, names)
        slots = str(_SLOTS * most)
        extra = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
            "AIRFLOW__CORE__PARALLELISM": slots,
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": slots,
        }
        stack = NativeStack(root / "stack", workers=most, extra=extra, models=root / "models", report=_tell)
        with stack.running():
            wait_for_dags(stack, "mapped", *(f"ingest_{name}" for name in names))
            quays = [Quay(stack.home, name, root / "faults") for name in names]
            ingest(quays)  # the first file of a model makes its tables
            print(
                f"| workers | {tasks} tasks, s | x | {tasks} that wait {_WAIT_S:.0f} s, s | x | {models} files, s | x |"
            )
            print("|---:" * 7 + "|")
            fewest: list[float] = []
            for count in sorted(workers):
                keep(stack, count)
                times = [mapped(stack, tasks, 0.0), mapped(stack, tasks, _WAIT_S)]
                times.append(median(ingest(quays) for _ in range(_FILES)))
                fewest = fewest or times
                cells = [f"{now:.1f} | {first / now:.2f}" for now, first in zip(times, fewest, strict=True)]
                print(f"| {count} | {' | '.join(cells)} |", flush=True)


def keep(stack: NativeStack, count: int) -> None:
    """Have the first `count` workers run, and no others."""
    running = len(stack.pids("worker"))
    for number in range(count + 1, running + 1):
        stack.stop(f"worker-{number}")
    for number in range(running + 1, count + 1):
        stack.start(f"worker-{number}")
    time.sleep(_READY_S if count > running else 0.0)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--models", type=int, default=20)
    asked = parser.parse_args()
    measure(asked.workers, asked.tasks, asked.models)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
