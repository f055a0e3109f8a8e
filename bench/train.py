"""What the train DAG costs beside the same functions called one after the other in one plain Python process.

    flock some.lock python -m bench.train [--hours 17520] [--cold] [--celery]

Starts real Airflow (LocalExecutor on SQLite; with `--celery` PostgreSQL, Redis and one Celery worker, as
docker-compose.yaml declares them) and MLflow in a home of its own, publishes synthetic weather, and trains twice
through Airflow's REST API: the first run pays for what is loaded once. Then the same steps run in a plain process
against the same MLflow, journal and dataset version. Without `--cold` both kinds of workers are measured, warm first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import yaml

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.config.schema import Model
from almanac.data.table.dataset import DatasetTable
from almanac.sample.weather_generator import generate_hours
from almanac.services.services import Services
from bench.real_airflow import Platform, check, run_to_its_end, wait_for_dags
from demo.native.stack import NativeStack

MODEL = "weather"
DAG_ID = f"train_{MODEL}"
STEPS = ("decide", "train", "judge", "register", "promote")


@dataclass(frozen=True)
class Step:
    """One task: how long it waited since the one before was done, and how long it ran, in seconds."""

    name: str
    state: str
    waited: float
    ran: float


def declare(folder: Path) -> None:
    """The weather model, of which nothing but the training is awake, and only when it is asked."""
    folder.mkdir(parents=True)
    (folder / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    weather = yaml.safe_load((MODELS_FOLDER / f"{MODEL}.yaml").read_text("utf-8"))
    # the monitor stays awake: without one nothing is promoted
    asleep = {kind: {"enabled": False} for kind in ("ingest", "score")}
    weather["pipelines"] = asleep
    weather["train"]["triggers"] = {"schedule": None, "new_data": False, "retrain_request": False}
    (folder / f"{MODEL}.yaml").write_text(yaml.safe_dump(weather, allow_unicode=True), "utf-8")


def publish(home: Home, model: Model, hours: int) -> None:
    from tests.data.parts import publish_rows

    start = datetime(2020, 1, 1, tzinfo=UTC)
    time_ = pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC")
    frame = generate_hours(start, hours, seed=2026).with_columns(time_.cast(pl.Datetime("us", "UTC")))
    rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    publish_rows(DatasetTable.of(home, model), rows, "bench")


def through_airflow(services: Platform, number: int) -> list[Step]:
    """One run by hand, through the REST API."""
    with services.airflow() as airflow:
        run = run_to_its_end(airflow, DAG_ID, {"reason": f"bench {number}"})
        found = airflow.call("GET", f"/dags/{DAG_ID}/dagRuns/{run.run_id}/taskInstances")
        begun = airflow.call("GET", f"/dags/{DAG_ID}/dagRuns/{run.run_id}")
    asked = datetime.fromisoformat(begun["queued_at"] or begun["start_date"])
    tasks = sorted((one for one in found["task_instances"] if one["start_date"]), key=lambda one: one["start_date"])
    steps, before = [], asked
    for one in tasks:
        start, end = (datetime.fromisoformat(one[key]) for key in ("start_date", "end_date"))
        steps.append(
            Step(one["task_id"], one["state"], (start - before).total_seconds(), (end - start).total_seconds())
        )
        before = end
    return steps


def plain() -> None:
    """The same steps in this process; prints their seconds as JSON."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - began

    with timed("imports"):
        import mlflow.onnx  # noqa: F401
        import skl2onnx  # noqa: F401
        import sklearn.ensemble
        import sklearn.metrics  # noqa: F401
        import skops.io  # noqa: F401

        from almanac.journal.journal import Journal
        from almanac.journal.records import RunRef
        from almanac.registry.store import Registry
        from almanac.release.promotion import promote, register
        from almanac.release.run_judgement import judge
        from almanac.training.passport import load_passport
        from almanac.training.training_run import decide_mode, train
    home = Home()
    model = find_model(home.models, MODEL)
    journal, registry = Journal(home.journal_url), Registry.of(home)
    run, now = RunRef(DAG_ID, f"plain__{time.time()}"), datetime.now(UTC)
    with timed("decide"):
        decide_mode(model, home, journal, registry, trigger="manual", reason="bench", run=run, now=now)
    with timed("train"):
        logged = train(
            model,
            home,
            registry,
            reason="bench",
            run=run,
            now=now,
            candidates=None,
            overrides=None,
            on_progress=lambda _: None,
        )
    passport = load_passport(registry, registry.logged(logged))
    with timed("judge"):
        verdict = judge(model, home, journal, registry, logged, run=run, now=now)
    check(verdict.accepted, str(verdict.reasons))
    with timed("register"):
        version = register(registry, MODEL, logged, run=run, journal=journal, now=now).version
    with timed("promote"):
        promote(registry, model, version, reason="bench", run=run, journal=journal, now=now)
    print(json.dumps({"seconds": seconds, "within_train": dict(passport.seconds)}))


def in_plain_process(services: Platform) -> dict[str, dict[str, float]]:
    known = services.environment() if isinstance(services, Services) else services.environment("worker")
    done = subprocess.run(
        [sys.executable, "-m", "bench.train", "--plain"],
        cwd=REPOSITORY,
        env=known,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    check(done.returncode == 0, done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _platform(folder: Path, *, celery: bool, warm: bool) -> Platform:
    extra = {"ALMANAC_WARM_WORKERS": "1" if warm else "0"}
    if celery:
        root = folder / "stack"
        return NativeStack(
            root, workers=1, extra=extra, models=folder / "models", report=lambda line: print(line, file=sys.stderr)
        )
    return Services(Home(home=folder, models=folder / "models"), extra=extra)


def measure(hours: int, *, celery: bool, warm: bool, report: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="almanac-bench-") as name:
        folder = Path(name)
        declare(folder / "models")
        platform = _platform(folder, celery=celery, warm=warm)
        publish(platform.home, find_model(folder / "models", MODEL), hours)
        with platform.running() as services:
            wait_for_dags(services, DAG_ID)
            through_airflow(services, 1)
            by_airflow = through_airflow(services, 2)
            by_hand = in_plain_process(services)
    kind = f"{'Celery' if celery else 'LocalExecutor'}, {'warm' if warm else 'cold'} workers"
    _report(by_airflow, by_hand, kind=kind, hours=hours, report=report)


def _report(
    by_airflow: list[Step],
    by_hand: dict[str, dict[str, float]],
    *,
    kind: str,
    hours: int,
    report: Callable[[str], None],
) -> None:
    seconds = by_hand["seconds"]
    report(f"\n{kind}, {hours} hours; seconds; load {os.getloadavg()[0]:.1f}")
    report(f"{'step':<10} {'plain':>7} {'task':>7} {'waited':>7}")
    for step in by_airflow:
        report(
            f"{step.name:<10} {seconds.get(step.name, 0.0):>7.2f} {step.ran:>7.2f} {step.waited:>7.2f}  {step.state}"
        )
    work = sum(seconds[name] for name in STEPS)
    ran, waited = sum(step.ran for step in by_airflow), sum(step.waited for step in by_airflow)
    whole = work + seconds["imports"]
    report(f"plain process: {work:.2f} of work and {seconds['imports']:.2f} of imports = {whole:.2f}")
    report(f"DAG: {ran:.2f} within tasks and {waited:.2f} between them = {ran + waited:.2f}")
    report(
        f"overhead: {ran + waited - whole:+.2f} s, ratio {(ran + waited) / whole:.2f}; beside work alone "
        f"{ran + waited - work:+.2f} s, ratio {(ran + waited) / work:.2f}"
    )
    parts = by_hand["within_train"]
    rest = seconds["train"] - sum(parts.values())
    sent = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
    report(f"within plain train: {sent}; reading, profile, MLflow: {rest:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=17_520)
    parser.add_argument("--cold", action="store_true", help="cold workers only")
    parser.add_argument("--celery", action="store_true", help="PostgreSQL, Redis and a Celery worker")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plain:
        plain()
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for warm in (False,) if asked.cold else (True, False):
        measure(asked.hours, celery=asked.celery, warm=warm, report=print)


if __name__ == "__main__":
    main()
