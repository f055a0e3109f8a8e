"""Measures the start page, its JSON and the metrics with many models, each with a history of its own.

    python -m bench.start_page [models ...] [--write FOLDER]

Declarations are copies of `weather.yaml` with other owners and tags; the journal is filled as a year of pipelines
leaves it, by a random generator with a fixed seed. Milliseconds of CPU are the least and the median of some calls,
after a first one that reads the declarations. `--write`: also writes the pages as files, to be looked at.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from sqlalchemy import insert

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message
from almanac.config.files.declaration_cache import DeclarationCache
from almanac.config.home import MODELS_FOLDER, Home
from almanac.control.metrics import render_metrics
from almanac.journal import tables
from almanac.journal.journal import Journal
from almanac.journal.records import (
    AliasMove,
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DrillRecord,
    RunRef,
    SnapshotRecord,
)
from almanac.journal.rows import row_of
from almanac.pages.pages import Pages
from almanac.reporting.templates import NAVIGATION
from almanac.reporting.urls import Urls

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
_DAY = timedelta(days=1)
_NAMES = ("bikes", "weather", "tides", "load", "prices", "churn", "leaks", "noise", "yield", "queues")
_OWNERS, _TAGS = ("grid", "harbour", "sales"), ("hourly", "daily", "critical")
_TRIES, _TRAININGS, _BATCHES = 7, 40, 300


def declare(folder: Path, count: int) -> None:
    """Write so many models."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_defaults.yaml").write_bytes((MODELS_FOLDER / "_defaults.yaml").read_bytes())
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    for number in range(count):
        name = _NAMES[number % len(_NAMES)] + (f"_{number // len(_NAMES)}" if number >= len(_NAMES) else "")
        own = {"title": f"{name.replace('_', ' ').capitalize()}: tomorrow by the hour"}
        own |= {"owner": _OWNERS[number % len(_OWNERS)], "tags": [_TAGS[number % len(_TAGS)]]}
        own["monitor"] = {**weather["monitor"], "supply": {"max_age": "2d"}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**weather, **own}), "utf-8")


def fill(home: Home, seed: int = 2026) -> None:
    """Write what a year of pipelines leaves in the journal."""
    journal, chance = Journal(home.journal_url), random.Random(seed)
    for model in DeclarationCache().load(home.models).declared:
        _fill_model(journal, model.name, chance, f"baselines[{model.gates.baselines.metric}]")


def _fill_model(journal: Journal, name: str, chance: random.Random, metric: str) -> None:
    rows: dict[str, list[dict[str, object]]] = {}

    def add(table: str, record: object) -> None:
        rows.setdefault(table, []).append(row_of(record))  # type: ignore[arg-type]

    late = chance.random() < 0.1
    newest = NOW - (4 * _DAY if late else timedelta(hours=chance.uniform(1, 30)))
    level, version = chance.uniform(0.7, 0.85), 0
    for number in range(_BATCHES):
        at = newest - (_BATCHES - 1 - number) * _DAY
        run = RunRef(f"ingest_{name}", f"scheduled__{at:%Y-%m-%d}")
        state = BatchState.REJECTED if chance.random() < 0.01 and number < _BATCHES - 20 else BatchState.PUBLISHED
        good = 24 if state is BatchState.PUBLISHED else 0
        record = BatchRecord(
            name,
            f"{chance.getrandbits(256):064x}",
            f"/landing/{name}/{at:%Y-%m-%d}.csv",
            999,
            at,
            state,
            24,
            good,
            0,
            0,
            at,
            run,
            dataset_version=number if good else None,
            window_start=at - _DAY,
            window_end=at,
        )
        add("batches", record)
    for number in range(_TRAININGS):
        at = NOW - (_TRAININGS - number) * 7 * _DAY + timedelta(hours=chance.uniform(0, 90))
        run = RunRef(f"train_{name}", f"scheduled__{number}")
        level += chance.gauss(0.002, 0.008)
        passed = chance.random() < 0.5 or number == 0
        figures = {metric: level, f"{metric}.baseline": level - 0.12}
        reasons = ("all: kept",) if passed else ("champion[f1_macro]: not better than the champion",)
        add("decisions", Decision(name, DecisionKind.TRAINING, True, ("new data",), at, run, "new_data"))
        add("decisions", Decision(name, DecisionKind.GATES, passed, reasons, at, run, f"mlflow{number}", figures))
        drifted = {"drifted_columns": float(max(0, round(chance.gauss(0, 1)))), "performance.f1_macro": level - 0.02}
        watch = RunRef(f"monitor_{name}", f"scheduled__{number}")
        verdict = ("quiet: no column has drifted",)
        add("decisions", Decision(name, DecisionKind.RETRAIN_REQUEST, False, verdict, at, watch, f"w{number}", drifted))
        if passed:
            version += 1
            for alias in ("challenger", "champion"):
                add("alias_moves", AliasMove(name, alias, "", str(version), "passed all gates", at, run))
            add("alias_moves", AliasMove(name, "challenger", str(version), "", "promoted", at, run))
    for kind in ("dataset", "model", "outputs"):
        at = NOW - timedelta(hours=chance.uniform(2, 30))
        add("snapshots", SnapshotRecord("file:///b", f"{kind}/{name}", "newest", at, 1, 1, 1, run))
        drill = DrillRecord("file:///b", f"{kind}/{name}", "newest", 1, True, False, (), at - 2 * _DAY, 9.0, 1.0, run)
        add("drills", drill)
    with journal.transaction() as connection:
        for table, values in rows.items():
            connection.execute(insert(tables.metadata.tables[table]), values)
    if chance.random() < 0.15:
        severity = chance.choice(("critical", "warning"))
        message = event_message(
            "drift",
            severity=severity,
            model=name,
            subject=f"{name}: 3 of 9 columns have drifted",
            run=run,
            now=NOW,
            words="Two windows in a row.",
            what_to_do="Read the newest report of the monitor.",
        )
        AlertLog(journal).record(message, "drift", "drift", NOW - timedelta(hours=3))


def _milliseconds(what: Callable[[], object]) -> tuple[float, float]:
    what()
    times = []
    for _ in range(_TRIES):
        began = time.process_time()
        what()
        times.append((time.process_time() - began) * 1000)
    return min(times), statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=int, default=[1, 40, 100])
    parser.add_argument("--write", type=Path, help="a folder for the pages")
    given = parser.parse_args()
    print("| models | start page, ms | its JSON, ms | page of a model, ms | metrics, ms | first page, s |")
    print("|---:|---:|---:|---:|---:|---:|")
    for count in given.models:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), count, given.write)


def _measure(folder: Path, count: int, write: Path | None) -> None:
    declare(folder / "models", count)
    home = Home(home=folder, models=folder / "models")
    fill(home)
    cache, journal = DeclarationCache(), Journal(home.journal_url)
    pages = Pages(home, journal, Urls("/almanac", ""), NOW)
    began = time.perf_counter()
    models = cache.load(home.models).declared
    pages.start(models)
    first_s = time.perf_counter() - began
    works: list[Callable[[], object]] = [
        lambda: pages.start(cache.load(home.models).declared),
        lambda: pages.start(cache.load(home.models).declared).to_json(),
        lambda: pages.model(cache.load(home.models).declared[0]),
        lambda: render_metrics(cache.load(home.models).declared, journal, NOW),
    ]
    cells = " | ".join(f"{least:.0f} ({median:.0f})" for least, median in map(_milliseconds, works))
    print(f"| {count} | {cells} | {first_s:.1f} |", flush=True)
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name, page in {"start": pages.start(models), "model": pages.model(models[0])}.items():
            (write / f"{name}_{count}.html").write_text(page.replace(NAVIGATION, "", 1), "utf-8")


if __name__ == "__main__":
    main()
