"""A stack of docker-compose.yaml whose processes, disks, stores and clock may be disturbed."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from almanac.config.credentials import ADMIN
from demo.native.debian import missing
from demo.native.stack import DATA_STORES, NativeStack
from demo.sink import WebhookSink
from tests.faults.landing_stores import declare
from tests.faults.stack.story import StoreQuay, Story
from tests.production import small_weather

NAMES = ("quay_x", "quay_y")
# What production waits for in minutes is waited for in seconds here; docs/production.md says what each is for.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}


def tell_of_retries(path: Path) -> None:
    """Let people be told of what is tried again, too."""
    declared = yaml.safe_load(path.read_text("utf-8"))
    declared["alerts"] |= {"silent": ["start", "end"], "routes": {"info": ["webhook"]}}
    path.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")


class Harbours:
    """Makes stacks, and ends them in the reverse order."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory, self._open = factory, ExitStack()

    def root(self) -> Path:
        root: Path = self._factory.mktemp("harbour")
        models = root / "models"
        small_weather.declare(models)
        declare(models, NAMES)
        for shared in ("_defaults.yaml", "_installation.yaml"):
            tell_of_retries(models / shared)
        return root

    def open(self, root: Path, draw: random.Random, extra: Mapping[str, str], **stack: Any) -> Story:
        """Start a stack and play the beginning of the story on it."""
        sink = self._open.enter_context(WebhookSink())
        variables = {**IMPATIENT, "AIRFLOW_CONN_ALMANAC_WEBHOOK": sink.connection, **extra}
        started = NativeStack(root, workers=2, extra=variables, models=root / "models", report=print, **stack)
        self._open.enter_context(started.running())
        patch = self._open.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", started.mlflow_password)
        quays: Sequence[StoreQuay] = [StoreQuay(started.home, name, root / "faults") for name in NAMES]
        story = Story(started, quays, sink, draw)
        story.begin()
        return story

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def harbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbours]:
    if packages := missing(DATA_STORES):
        pytest.skip(f"apt-get install {' '.join(packages)}")
    made = Harbours(tmp_path_factory)
    yield made
    made.close()


@pytest.fixture
def seed() -> int:
    """The same seed draws the same faults at the same moments."""
    return int(os.environ.get("ALMANAC_FAULT_SEED", "2026"))
