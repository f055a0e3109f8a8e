"""Plays Almanac's story against real services, through their public interfaces only, and says what it saw.

Run its main part with `make demo`, all of it with `make demo-all`, on PostgreSQL and Celery with `make demo-celery`, in
containers with `make demo-containers`. It has a folder of its own (`var/demo`, `var/demo-celery`,
`var/demo-containers`), which each run creates again.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

import yaml

from almanac.config.grammar.types import format_duration
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.errors import AlmanacError, ConfigError
from almanac.failpoints import FOLDER_VARIABLE
from demo.backup_steps import BACKUP_STORY
from demo.ledger import Ledger
from demo.pipeline_steps import PIPELINE_STORY
from demo.promotion_steps import PROMOTION_STORY
from demo.secrecy_steps import SECRECY_STORY
from demo.sink import REACHED_FROM_CONTAINERS, WebhookSink
from demo.stage import Stage, StoryError
from demo.steps import MAIN_STORY, RECOVERY_STORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from almanac.services.airflow_api import AirflowClient
    from almanac.services.services import Services

# What would make the story wait for hours is shorter here than in the shipped configuration.
COOLDOWN = timedelta(minutes=1)
SOURCE_OVERLAY = {"settle": "2s", "poll": "1s"}
POLICY_OVERLAY = {"cooldown": format_duration(COOLDOWN)}
# Of the stack with Celery.
WORKERS = 2
# Two more triggers than the shipped model declares, so that the story can show them.
TRIGGERS_OVERLAY = {
    "tides": {
        "kind": "event",
        "payload": {"station": {"type": "string", "values": ["hamina"]}, "height_m": {"type": "number", "max": 3}},
    },
    "daily": {
        "kind": "window",
        "size": "1d",
        "delay": "1h",
        "catch_up": False,
        "max_concurrent": 4,
        "start": "2021-01-01T00:00:00Z",
        "end": "2021-02-01T00:00:00Z",
    },
}
# Without the schedule of each ten minutes: its run would now and then take a file that a step is about to watch.
PIPELINES_OVERLAY = {"ingest": {"when": "arrival or tides"}}
# As good on this weather as the shipped hundred, in less than half of the time.
TREES = 40
# A new champion that gives a fiftieth of the hours another label waits for a person: in this story, the second one.
VARIATION_OVERLAY = {"ask_above": 0.02}


# After MAIN_STORY.
LATER_STORY = (*RECOVERY_STORY, *PIPELINE_STORY, *PROMOTION_STORY, *BACKUP_STORY, *SECRECY_STORY)

# Where it can be played: the services of one machine, those of docker-compose.yaml as processes, and in containers.
Where = Literal["", "celery", "containers"]


def main(where: Where = "", *, everything: bool = True, keep: bool = False) -> int:
    """Play the story; 0 only if every row passed.

    Args:
        where: on what.
        everything: also what comes after the main part.
        keep: let the services run after the last step, until Ctrl-C.
    """
    from almanac.services.services import Services

    started = time.monotonic()
    story = (*MAIN_STORY, *LATER_STORY) if everything else MAIN_STORY
    ledger = Ledger(report=_tell)
    root = _fresh_folder(f"demo-{where}" if where else "demo")
    figures: dict[str, object] = {}
    try:
        with WebhookSink(**(REACHED_FROM_CONTAINERS if where == "containers" else {})) as sink:
            platform = _platform(root, sink, where)
            with platform.running():
                figures = _play(story, platform, root, sink, ledger)
                _sum_up(ledger, figures, root / "summary.json", seconds=time.monotonic() - started)
                if not everything:
                    _tell(f"Not played here, but by `make demo-all`: {'; '.join(title for title, _ in LATER_STORY)}.")
                if keep and isinstance(platform, Services):
                    _keep(platform)
    except KeyboardInterrupt:
        _tell("\nInterrupted; everything that was started has been stopped.")
        return 130
    return 0 if ledger.passed else 1


def _sum_up(ledger: Ledger, figures: dict[str, object], path: Path, *, seconds: float) -> None:
    ledger.write(path, total_seconds=seconds, figures=figures)
    _tell(f"\n{ledger.table()}\n")
    passed = sum(row.passed for row in ledger.rows)
    _tell(f"{passed} of {len(ledger.rows)} rows passed in {seconds:.0f} s. The same in {path}")


def _keep(services: Services) -> None:
    """Let a person look at what the story has left."""
    from almanac.cli.services import print_addresses

    _tell("\nThe services run until Ctrl-C.")
    print_addresses(services)
    with suppress(KeyboardInterrupt):
        signal.pause()


class Platform(Protocol):
    """What the story is played on."""

    @property
    def artifacts(self) -> Path: ...  # noqa: D102 - see Services
    @property
    def mlflow_url(self) -> str: ...  # noqa: D102
    @property
    def mlflow_password(self) -> str: ...  # noqa: D102
    @property
    def secrets(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def home(self) -> Home: ...  # noqa: D102
    def airflow(self) -> AirflowClient: ...  # noqa: D102
    def running(self) -> AbstractContextManager[Any]: ...  # noqa: D102


def _platform(root: Path, sink: WebhookSink, where: Where) -> Platform:
    from almanac.services.services import Services

    models = root / "models"
    webhook = {"AIRFLOW_CONN_ALMANAC_WEBHOOK": sink.connection}
    if where == "containers":
        return _containers(root, models, webhook)
    faults = root / "faults"
    faults.mkdir()
    extra = {**webhook, FOLDER_VARIABLE: str(faults)}
    if where == "celery":
        from demo.native.stack import NativeStack

        return NativeStack(root, workers=WORKERS, extra=extra, models=models, report=_tell)
    return Services(Home(home=root, models=models), extra=extra, report=_tell)


def _containers(root: Path, models: Path, webhook: Mapping[str, str]) -> Platform:
    from demo.containers.images import make_images
    from demo.containers.machine import prepare
    from demo.containers.stack import HOME_INSIDE, ContainerStack

    stack = ContainerStack(
        root,
        project="almanac-demo",
        report=_tell,
        workers=WORKERS,
        models=models,
        extra={**webhook, FOLDER_VARIABLE: f"{HOME_INSIDE}/faults"},
    )
    if problem := prepare(stack.engine):
        raise ConfigError(problem)
    make_images(stack.engine, _tell)
    return stack


def _play(
    story: tuple[tuple[str, Callable[[Stage], None]], ...],
    platform: Platform,
    root: Path,
    sink: WebhookSink,
    ledger: Ledger,
) -> dict[str, object]:
    from mlflow import MlflowClient

    from almanac.config.credentials import ADMIN

    with platform.airflow() as airflow:
        # MLflow's client takes its login from the environment only.
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_TRACKING_USERNAME"] = ADMIN
        os.environ["MLFLOW_TRACKING_PASSWORD"] = platform.mlflow_password
        stage = Stage(
            home=platform.home,
            artifacts=platform.artifacts,
            airflow=airflow,
            mlflow=MlflowClient(tracking_uri=platform.mlflow_url),
            sink=sink,
            ledger=ledger,
            faults=getattr(platform, "faults", root / "faults"),
            root=getattr(platform, "written", root),
            command_line=getattr(platform, "almanac", None),
            secrets={**platform.secrets, "the webhook's token": sink.token},
            report=_tell,
            cooldown_s=COOLDOWN.total_seconds(),
        )
        for number, (title, step) in enumerate(story, start=1):
            _tell(f"\n{number}. {title}")
            try:
                step(stage)
            except (StoryError, AlmanacError) as error:
                ledger.check(number, title, expected="as told", seen=error, passed=False)
                break
        return stage.figures


def _fresh_folder(name: str) -> Path:
    root = REPOSITORY / "var" / name
    if root.exists():
        shutil.rmtree(root)
    models = root / "models"
    shutil.copytree(MODELS_FOLDER, models)
    _overlay(models / "weather.yaml")
    return root


def _overlay(path: Path) -> None:
    declared = yaml.safe_load(path.read_text("utf-8"))
    declared["source"] = {**declared.get("source", {}), **SOURCE_OVERLAY}
    declared["train"]["policy"] = {**declared["train"].get("policy", {}), **POLICY_OVERLAY}
    declared["train"]["candidates"]["forest"]["params"]["n_estimators"] = TREES
    declared["gates"]["variation"] = VARIATION_OVERLAY
    declared |= {"triggers": TRIGGERS_OVERLAY, "pipelines": PIPELINES_OVERLAY}
    path.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True), "utf-8")


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
