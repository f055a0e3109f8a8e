"""Homes in the states in which runbooks begin; each is built once, by the product's own functions on real stores.

A state is built on the one before it. The journal, Delta tables and MLflow name absolute paths, so a state is always
laid out at the path at which it was built: see `tests/docs/stage.py`.
"""

import csv
import io
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from almanac.config.home import MODELS_FOLDER, Home

MODEL = "weather"
CHAMPION, PREVIOUS, CHALLENGER = "3", "2", "4"
FACTS = "facts.json"
_QUICK = {
    "candidates": {
        "logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "scale": True, "params": {"max_iter": 300}}
    },
    "backtest": {"folds": 2, "fold": "30d", "min_train_rows": 500},
}


@dataclass(frozen=True)
class State:
    """One state.

    Attributes:
        build: makes it in the current folder, of what the state before it left.
        after: the state before it; empty: an empty folder.
    """

    build: Callable[[], None]
    after: str = ""


def facts() -> dict[str, str]:
    """What a reader of a runbook would read from an alert or a page: batches, snapshots, numbers."""
    path = Path(FACTS)
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def know(**more: object) -> None:
    """Write down more of them."""
    Path(FACTS).write_text(json.dumps({**facts(), **{name: str(value) for name, value in more.items()}}), "utf-8")


def declare(model: str = MODEL, **sections: Any) -> None:
    """Change sections of a model's YAML as somebody with an editor would."""
    path = Path("models") / f"{model}.yaml"
    declared = yaml.safe_load(path.read_text("utf-8"))
    for name, values in sections.items():
        declared[name] = {**declared.get(name, {}), **values} if isinstance(values, dict) else values
    path.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False), "utf-8")


def new() -> None:
    """A checkout on which nothing was ever started: the declarations, and a CSV that somebody has."""
    from almanac.sample.weather_files import write_csv
    from almanac.sample.weather_generator import generate_month

    shutil.copytree(MODELS_FOLDER, "models")
    declare(train={**yaml.safe_load(Path("models/weather.yaml").read_text("utf-8"))["train"], **_QUICK})
    write_csv(generate_month(2024, 3), Path("some.csv"))
    write_csv(generate_month(2023, 3), Path("weather.csv"))
    lines = ["time,rentals,temperature"]
    start = datetime(2023, 1, 1, tzinfo=UTC)
    lines += [f"{start + timedelta(hours=n):%Y-%m-%d %H:%M},{50 + n % 24 * 3},{n % 30}" for n in range(24 * 60)]
    Path("bikes.csv").write_text("\n".join(lines) + "\n", "utf-8")
    customers = [_customer(number) for number in range(1200)]
    head = "customerID,tenure,contract,charges,Churn"
    Path("customers.csv").write_text("\n".join([head, *customers[:1000]]) + "\n", "utf-8")
    unknown = [line.rsplit(",", 1)[0] for line in (head, *customers[1000:])]
    Path("newcomers.csv").write_text("\n".join(unknown) + "\n", "utf-8")


def _customer(number: int) -> str:
    """A line about a customer: the short of a monthly contract leave, and some others."""
    draw = random.Random(number)
    tenure, contract = draw.randrange(72), draw.choice(["monthly", "yearly"])
    leaves = draw.random() < (0.9 if contract == "monthly" and tenure < 36 else 0.05)
    charges = f"{draw.uniform(20, 110):.2f}"
    return f"{number:04}-{draw.choice('ABCDEF')}XYZ,{tenure},{contract},{charges},{'Yes' if leaves else 'No'}"


def published() -> None:
    """Six months are published; a month had rows that broke a rule; a file was rejected."""
    from almanac.sample.weather_files import write_month
    from almanac.sample.weather_generator import generate_month

    landing = Path(Home().landing_of(MODEL))
    for year, month in ((2023, 9), (2023, 10), (2023, 11), (2023, 12), (2024, 1)):
        write_month(generate_month(year, month), landing)
    _ingest()
    _spoil(write_month(generate_month(2024, 2), landing))
    head, *rows = Path("weather.csv").read_text("utf-8").splitlines()
    percent = [_changed(head, row, Humidity=lambda text: str(float(text) * 100)) for row in rows[:48]]
    (landing / "percent.csv").write_text("\n".join([head, *percent]) + "\n", "utf-8")
    _ingest()
    journal = _journal()
    by_name = {record.uri.rsplit("/", 1)[1]: record.batch_id[:12] for record in journal.batches(MODEL)}
    know(batch=by_name["weather_2024-02.csv"], rejected=by_name["percent.csv"])


def _spoil(path: Path) -> None:
    """Humidity of rows 7 and 9 as a percentage, and a condition that nobody knows in row 11."""
    head, *rows = path.read_text("utf-8").splitlines()
    for number in (7, 9):
        rows[number - 1] = _changed(head, rows[number - 1], Humidity=lambda _: "80")
    rows[10] = _changed(head, rows[10], Weather_conditions=lambda _: "hail")
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")


def _changed(head: str, row: str, **changes: Callable[[str], str]) -> str:
    names, cells = csv.reader([head, row])
    made = io.StringIO()
    csv.writer(made, lineterminator="").writerow(
        changes[name](text) if name in changes else text for name, text in zip(names, cells, strict=True)
    )
    return made.getvalue()


def _ingest() -> None:
    from almanac.config.files.loader import find_model
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import list_files

    home, journal = Home(), _journal()
    model = find_model(home.models, MODEL)
    known = journal.arrivals(MODEL)
    files = [one for one in list_files(home.landing_of(MODEL), model.source.patterns) if one.uri not in known]
    ingest_batches(model, home, journal, files, _run("ingest"), clock=lambda: datetime.now(UTC))


def registered() -> None:
    """Four versions: 2 was champion, 3 is, 4 has passed the gates; the champion has scored."""
    from almanac.config.files.loader import find_model
    from almanac.data.table.dataset import DatasetTable
    from almanac.registry.records import PASSED, Tag, TrainingContext
    from almanac.registry.store import Registry
    from almanac.release.promotion import promote, register
    from almanac.scoring.score import score_new_windows
    from almanac.training.candidate_log import log_candidate
    from almanac.training.train import train_candidate
    from almanac.training.training_run import reference_profile

    home, journal, now = Home(), _journal(), datetime.now(UTC)
    model, registry = find_model(home.models, MODEL), Registry.of(home)
    dataset = DatasetTable.of(home, model)
    rows = dataset.read()
    candidate = train_candidate(model, rows, now=now)
    profile = reference_profile(model, rows, candidate)
    for number in ("1", PREVIOUS, CHAMPION, CHALLENGER):
        run = _run("train", number)
        context = TrainingContext(run, dataset_version=dataset.snapshot().version, reason="a state")
        logged = log_candidate(registry, candidate, profile_json=profile, context=context)
        registry.client.set_tag(logged, Tag.GATES.value, PASSED)
        register(registry, MODEL, logged, run=run, journal=journal, now=now)
        if number in (PREVIOUS, CHAMPION):
            promote(registry, model, number, reason="a state", run=run, journal=journal, now=now)
    since = datetime(2024, 2, 1, tzinfo=UTC)
    score_new_windows(model, home, registry, run=_run("score"), now=now, since=since, until=since + timedelta(days=29))


def handed() -> None:
    """The same home with artifacts that MLflow's server hands out, as those of every home on which `up` was run."""
    from almanac.backup.subjects.sqlite import move_artifacts
    from almanac.registry.served_artifacts import SERVED

    home = Home()
    assert move_artifacts(home.home / "mlflow.db", home.artifacts, SERVED) > 0


def served() -> None:
    """The same home as `up` and `down` leave it: databases and secrets of all services are there."""
    from almanac.config.credentials import load_or_create
    from almanac.services.databases import create_databases
    from almanac.services.ports import choose_ports

    home = Home()
    load_or_create(home.home)
    choose_ports(home.home)
    create_databases(home)
    for name, script in (("mlflow_auth.db", _USERS), ("airflow/airflow.db", _AIRFLOW)):
        with closing(sqlite3.connect(home.home / name)) as connection:
            connection.executescript(script)


# As much of them as backups and restores look at.
_USERS = """
CREATE TABLE users (id INTEGER PRIMARY KEY, username, password_hash, is_admin);
INSERT INTO users VALUES (1, 'admin', 'x', 1);
"""
_AIRFLOW = """
CREATE TABLE dag (dag_id PRIMARY KEY, is_paused);
INSERT INTO dag VALUES ('ingest_weather', 0);
CREATE TABLE connection (conn_id, password, extra, is_encrypted, is_extra_encrypted);
CREATE TABLE variable (key, val, is_encrypted);
"""


def backed_up() -> None:
    """A group of everything in the primary repository and in the second, as the nightly run leaves them."""
    from almanac.backup.installation import open_repositories
    from almanac.backup.snapshot.replicate import replicate
    from almanac.backup.store.catalogue import Catalogue
    from almanac.backup.tasks.run_backup import run_backup
    from almanac.config.files.loader import load_installation

    home = Home()
    run_backup(home, [], run=_run("backup"), reason="the nightly run")
    places = open_repositories(home, load_installation(home.models).backup)
    assert places.second is not None
    replicate(places.first, places.second)
    catalogue = Catalogue(places.first)
    versions = {str(catalogue.read(ref).facts["version"]): ref for ref in catalogue.refs(f"model/{MODEL}")}
    know(
        group=catalogue.newest("group/all"),
        dataset=catalogue.newest(f"dataset/{MODEL}"),
        previous=versions[PREVIOUS],
        champion=versions[CHAMPION],
    )


def forecast_published() -> None:
    """See `tests.docs.forecasts`."""
    from tests.docs.forecasts import two_versions_were_published

    two_versions_were_published()


def _journal() -> Any:
    from almanac.journal.journal import Journal

    return Journal(Home().journal_url)


def _run(kind: str, number: str = "") -> Any:
    from almanac.journal.records import RunRef

    return RunRef(f"{kind}_{MODEL}", f"manual__state{number}", 1, "ada", "manual")


STATES = {
    "new": State(new),
    "published": State(published, "new"),
    "forecast published": State(forecast_published, "new"),
    "registered": State(registered, "published"),
    "handed": State(handed, "registered"),
    "served": State(served, "handed"),
    "backed up": State(backed_up, "registered"),
    "served, backed up": State(backed_up, "served"),
}


def build(name: str) -> None:
    """Make a state in the current folder, in which the one before it lies already."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    STATES[name].build()
