"""Every service of docker-compose.yaml runs without containers, does work, and tells nobody its secrets."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.native.stack import NativeStack
from demo.weather_files import write_month
from demo.weather_generator import generate_month
from include.journal.journal import Journal
from include.journal.records import BatchState
from tests.production.conftest import WEBHOOK_SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _texts(root: Path) -> Iterator[Path]:
    """Every log below the stack, of tasks and of services; not the files that keep the secrets."""
    yield from (root / "services" / "logs").glob("*")
    yield from (path for path in (root / "volumes").rglob("*.log") if path.is_file())


def _dump(stack: NativeStack, database: str) -> str:
    environment = {
        **stack.environment("postgres"), "PGUSER": "almanac", "PGPASSWORD": stack.secrets["POSTGRES_PASSWORD"]
    }  # fmt: skip
    done = subprocess.run(["pg_dump", database], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_stack_every_lasting_service_runs_with_all_its_replicas(stack):
    counts = {name: len(stack.pids(name)) for name in stack.services}

    once = {"airflow-init": 0}
    assert counts == {**dict.fromkeys(stack.services, 1), "worker": 2, **once}


def test_stack_a_file_that_lands_is_published_by_a_worker(stack, tmp_path):
    landing = Path(stack.home.landing_of("weather"))
    landing.mkdir(parents=True, exist_ok=True)
    file = write_month(generate_month(2021, 1), tmp_path)
    file.rename(landing / file.name)

    journal = Journal(stack.home.journal_url)
    deadline = time.monotonic() + 180
    while not journal.batches("weather"):
        assert time.monotonic() < deadline, "nothing was published"
        time.sleep(1)
    assert [batch.state for batch in journal.batches("weather")] == [BatchState.PUBLISHED]


def test_stack_no_log_shows_a_secret(stack):
    hidden = {**stack.secrets, "the webhook's": WEBHOOK_SECRET}

    read = 0
    for path in _texts(stack.root):
        text = path.read_text("utf-8", errors="replace")
        read += len(text)
        shown = [name for name, value in hidden.items() if value in text]
        assert shown == [], path

    assert read > 10_000


def test_stack_metadata_and_journal_hold_no_secret(stack):
    """XComs, rendered templates, journal rows: everything in the three databases but users and connections."""
    dump = "".join(_dump(stack, name) for name in ("airflow", "mlflow", "almanac"))

    assert "ingest_weather" in dump
    assert [name for name, value in {**stack.secrets, "webhook": WEBHOOK_SECRET}.items() if value in dump] == []
