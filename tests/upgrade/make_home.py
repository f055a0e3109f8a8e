"""Makes `home-0.1.tar.xz`, an installation as the release 0.1 left it.

Runs with that release's code, once:

    git worktree add /tmp/almanac-0.1 317a703
    ln -s "$PWD/.venv" /tmp/almanac-0.1/.venv    # the same locked packages
    .venv/bin/python -P tests/upgrade/make_home.py /tmp/almanac-0.1

Real services of 0.1 take in a file, train, promote and score. One more training is left in the queue with its deadline,
the landing trigger waits, and the landing area, the databases and the model version are in a backup. What is stored is
the home without logs and caches.
"""

import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE / "home-0.1.tar.xz"
KEPT = (
    "airflow/airflow.db",
    "backups",
    "datasets",
    "journal.db",
    "landing",
    "mlartifacts",
    "mlflow.db",
    "mlflow_auth.db",
    "models",
    "predictions",
    "quarantine",
    "secrets",
    "services/airflow_database.json",
)


def main(release: Path) -> None:
    """Play the story in a new home, and pack what it leaves."""
    sys.path[:0] = [str(release), str(HERE)]
    root = Path(tempfile.mkdtemp(prefix="almanac-0.1-"))
    declare(root, release)
    play(root)
    pack(root)
    shutil.rmtree(root)


def declare(root: Path, release: Path) -> None:
    """The release's own defaults, and one small model."""
    (root / "models").mkdir()
    for name in ("_defaults.yaml", "_installation.yaml"):
        shutil.copy(release / "include" / "models" / name, root / "models")
    shutil.copy(HERE / "quay.yaml", root / "models")


def play(root: Path) -> None:
    """From a landed file to a champion that has scored, and a training that waits."""
    from include.config.home import Home
    from include.config.loader import find_model
    from include.data.dataset import Dataset
    from include.services.services import Services
    from quay import NAME, csv_of

    home = Home(home=root, models=root / "models")
    with Services(home, report=print).running() as services, services.airflow() as airflow:
        wanted = {f"{kind}_{NAME}" for kind in ("ingest", "train", "score")}
        until(lambda: wanted <= set(airflow.dag_ids()), "the DAGs")
        landing = Path(home.landing_of(NAME))
        landing.mkdir(parents=True, exist_ok=True)
        (landing / "first.csv").write_text(csv_of(range(30)), "utf-8")
        until(Dataset.of(home, find_model(home.models, NAME)).exists, "the trigger of the landing area")
        until(lambda: all(run.finished for run in airflow.runs(f"ingest_{NAME}")), "the ingest")
        for kind in ("train", "score"):
            run = airflow.trigger(f"{kind}_{NAME}", {"reason": "the story"} if kind == "train" else {})
            ended = airflow.wait(run.dag_id, run.run_id, timeout_s=300)
            states = [(task.task_id, task.state) for task in airflow.tasks(run.dag_id, run.run_id)]
            assert ended.state == "success", states
            print(run.dag_id, states)
        until(lambda: all(run.finished for run in airflow.runs(f"score_{NAME}")), "the runs that the champion starts")
        back_up(root, services.mlflow_url, services.mlflow_password)
        airflow.set_paused(f"train_{NAME}", True)
        print("waits:", airflow.trigger(f"train_{NAME}", {"reason": "left in the queue"}))


def back_up(root: Path, mlflow_url: str, password: str) -> None:
    """As the DAGs do it, which reach MLflow's files by its server; Airflow's own database is left out."""
    from include.backup.run_backup import run_backup
    from include.config.home import Home
    from include.journal.records import RunRef

    os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
    home = Home(home=root, models=root / "models", MLFLOW_TRACKING_URI=mlflow_url)
    subjects = ["dataset/quay", "model/quay", "database/journal", "database/mlflow"]
    print(run_backup(home, subjects, run=RunRef("backup", "by hand"), reason="the story"))


def until(true: Callable[[], Any], what: str) -> None:
    """Wait."""
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within 300 s"
        time.sleep(0.5)


def pack(root: Path) -> None:
    """Store what an installation needs; databases without their free pages."""
    for database in [*root.glob("*.db"), root / "airflow" / "airflow.db"]:
        compact = database.with_suffix(".compact")
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("VACUUM INTO ?", (str(compact),))
        compact.replace(database)
    (root / "made_at").write_text(str(root), "utf-8")
    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for name in (*KEPT, "made_at"):
            if (root / name).exists():
                archive.add(root / name, name)
            else:
                print(f"{name}: not there")
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
