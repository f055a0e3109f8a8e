"""docker-compose.yaml and what lies over it, in containers, by podman-compose.

What podman-compose 1.6 on podman 4.3 does not do is done here: it starts services in the order of `depends_on` and
waits until each is well, because podman 4.3 cannot wait for that; it runs the health checks, which podman leaves to
systemd's timers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from sqlalchemy.engine import make_url

from almanac.config.connection import parse_connection
from almanac.config.credentials import ADMIN, private_folder, write_private
from almanac.config.home import REPOSITORY, Home
from almanac.errors import PermanentError, TransientError
from almanac.journal.location import CONNECTION, completed
from almanac.services.airflow_api import AirflowClient
from almanac.services.env_file import read_env_file, write_env_file
from almanac.services.ports import LOOPBACK, any_free_port
from almanac.services.supervision.lifetime import terminable, uninterrupted
from demo.containers.engine import Engine
from demo.containers.machine import podman_compose
from demo.native.compose_file import Service, read_compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

COMPOSE = REPOSITORY / "docker-compose.yaml"
HOME_INSIDE = "/var/lib/almanac"
# What the image's ALMANAC_MODELS says, here.
PROFILE = REPOSITORY / "include" / "environments" / "production"
# Of the user inside; what the host puts into a volume must be theirs.
UID = 50000
_PUBLISHED = {"mlflow": 5000, "api-server": 8080}
# Of a service on a machine that does other things too.
_HEALTHY_S = 600.0
_ANSWER_S = 90.0


class ContainerStack:
    """The stack of one project: containers, networks and volumes with its name.

    Args:
        root: a folder for `.env` and for what lies over the compose file; made when it is not there.
        project: tells it from others; begins the name of each container, network and volume.
        report: called with one line for each step.
        workers: how many containers of `worker`.
        extra: more variables for Airflow's services.
        models: a folder with declarations instead of the image's.
        overrides: files that lie over docker-compose.yaml.
        values: of the variables in them that are no secrets of this stack.
    """

    def __init__(
        self,
        root: Path,
        *,
        project: str,
        report: Callable[[str], None],
        workers: int = 1,
        extra: Mapping[str, str] | None = None,
        models: Path | None = None,
        overrides: Sequence[Path] = (),
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.engine, self.root, self.project = Engine(), private_folder(root), project
        self._report, self._workers, self._models = report, workers, models
        self._extra = {**(extra or {}), **({"ALMANAC_MODELS": f"{HOME_INSIDE}/models"} if models else {})}
        self._ports = {name: any_free_port() for name in _PUBLISHED}
        self._files = [COMPOSE, *overrides]
        env_file = root / ".env"
        if not env_file.exists():
            write_env_file(env_file, "\n".join(path.read_text("utf-8") for path in self._files))
        self.secrets = read_env_file(env_file)
        write_private(root / "all.env", _lines({**self.secrets, **(values or {})}))
        found = read_compose(self._files, {**self.secrets, **(values or {})})
        self.services: dict[str, Service] = {name: each for name, each in found.items() if not each.profiles}

    # What the story is played on.

    @property
    def home(self) -> Home:
        """The places of the installation as this machine's root sees them: its volume, its databases by address."""
        environment = self.services["maintenance"].environment
        server = self.address("postgres", "database")

        def url(name: str) -> str:
            return make_url(environment[name]).set(host=server).render_as_string(hide_password=False)

        login = parse_connection(CONNECTION, environment[f"AIRFLOW_CONN_{CONNECTION.upper()}"])
        folder = self.volume("home")
        return Home(
            home=folder,
            models=folder / "models" if self._models else PROFILE,
            artifacts=environment["ALMANAC_ARTIFACTS"],
            journal_url=completed(make_url(url("ALMANAC_JOURNAL_URL")), login).render_as_string(hide_password=False),
            mlflow_database_url=url("ALMANAC_MLFLOW_DATABASE_URL"),
            airflow_database_url=url("ALMANAC_AIRFLOW_DATABASE_URL"),
            MLFLOW_TRACKING_URI=self.mlflow_url,
        )

    @property
    def artifacts(self) -> Path:
        """Where MLflow's server keeps the files of its runs."""
        return self.volume("mlflow") / "mlartifacts"

    @property
    def written(self) -> Path:
        """Everything that the services have written."""
        return self.volume("home").parents[1]

    @property
    def faults(self) -> Path:
        """The folder of failpoints, where `FOLDER_VARIABLE` names its place inside."""
        return self.volume("home") / "faults"

    @property
    def mlflow_url(self) -> str:
        """MLflow's user interface and tracking API, as published."""
        return f"http://{LOOPBACK}:{self._ports['mlflow']}"

    @property
    def airflow_url(self) -> str:
        """Airflow's user interface and REST API, as published."""
        return f"http://{LOOPBACK}:{self._ports['api-server']}"

    @property
    def mlflow_password(self) -> str:
        """Of MLflow's administrator."""
        return self.secrets["MLFLOW_AUTH_ADMIN_PASSWORD"]

    def airflow(self, user: str = ADMIN, password: str = "") -> AirflowClient:
        """Make a client of Airflow; the caller closes it."""
        known = password or self.secrets["AIRFLOW_ADMIN_PASSWORD"]
        return AirflowClient(self.airflow_url, user, known, timeout_s=_ANSWER_S)

    def almanac(self, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run the command line where a person would: in the container that may read the databases."""
        home = str(self.volume("home"))
        inside = [each.replace(home, HOME_INSIDE) for each in arguments]
        return subprocess.run(
            ["podman", "exec", "--env", "COLUMNS=250", self.container("maintenance"), "./almanac", *inside],
            env=self.engine.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @contextmanager
    def running(self) -> Iterator[ContainerStack]:
        """Keep the stack up inside a `with` block, and no longer; its volumes go, too, however the block ends."""
        with terminable():
            try:
                self.up()
                with self.airflow() as airflow:
                    airflow.login()
                yield self
            finally:
                with uninterrupted():
                    self.down(volumes=True)

    # What the tests do to it.

    def up(self) -> None:
        """Start every service when those are well that it depends on, and wait until it is well itself.

        Raises:
            TransientError: one does not become well in time.
            PermanentError: one that runs once has failed.
        """
        self._write_override()
        order = TopologicalSorter({name: set(service.depends_on) for name, service in self.services.items()})
        order.prepare()
        while order.is_active():
            wave = order.get_ready()
            self._report(f"starting {', '.join(wave)}")
            self.compose("up", "--detach", "--no-deps", "--no-build", *self._scale(wave), *wave)
            for name in wave:
                self.wait(name)
                if name == "postgres-init":
                    self._fill_home()
            order.done(*wave)

    def down(self, *, volumes: bool) -> None:
        """Stop and remove containers and networks, and volumes if that is asked for."""
        self.compose("down", "--timeout", "20", *(["--volumes"] if volumes else []), check=False)
        for name in self.engine.run("ps", "--all", "--quiet", "--filter", f"name=^{self.project}_").split():
            self.engine.run("rm", "--force", name)
        for name in self.engine.run("network", "ls", "--quiet", "--filter", f"name=^{self.project}_").split():
            self.engine.run("network", "rm", "--force", name)
        if volumes:
            for name in self.engine.run("volume", "ls", "--quiet", "--filter", f"name=^{self.project}_").split():
                self.engine.run("volume", "rm", "--force", name)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `podman-compose <arguments>` on this project.

        Raises:
            PermanentError: it failed, and `check` is set.
        """
        files = [word for path in (*self._files, self.root / "override.yaml") for word in ("--file", str(path))]
        return self.engine.call(
            # Podman would make /run and /var/tmp writable in a container that is read-only; Docker does not.
            str(podman_compose(self.engine)),
            "--in-pod=false",
            "--podman-run-args=--read-only-tmpfs=false",
            "--project-name",
            self.project,
            "--env-file",
            str(self.root / "all.env"),
            *files,
            *arguments,
            cwd=REPOSITORY,
            check=check,
        )

    def wait(self, name: str) -> None:
        """Wait until all containers of a service are well, or have ended well."""
        service, replicas = self.services[name], self._workers if name == "worker" else 1
        for number in range(1, replicas + 1):
            container = self.container(name, number)
            if service.once:
                code = self.engine.run("wait", container, timeout_s=_HEALTHY_S).strip()
                if code != "0":
                    raise PermanentError(f"{container} ended with {code}: {self.logs(container)[-3000:]}")
            else:
                self.wait_well(container)

    def wait_well(self, container: str) -> None:
        """Wait until the health check of a container passes.

        Raises:
            TransientError: it did not in time.
        """
        deadline = time.monotonic() + _HEALTHY_S
        while not self.healthy(container):
            if time.monotonic() > deadline:
                raise TransientError(f"{container}: not well after {_HEALTHY_S:.0f} s: {self.logs(container)[-3000:]}")
            time.sleep(2)

    def healthy(self, container: str) -> bool:
        """Run the health check that the file declares."""
        command = ["podman", "healthcheck", "run", container]
        return subprocess.run(command, env=self.engine.environment, capture_output=True, check=False).returncode == 0

    def container(self, service: str, number: int = 1) -> str:
        """The name of a container."""
        return f"{self.project}_{service}_{number}"

    def containers(self) -> dict[str, Service]:
        """Those that run for ever, with their services."""
        lasting = ((name, service) for name, service in self.services.items() if not service.once)
        return {
            self.container(name, number): service
            for name, service in lasting
            for number in range(1, (self._workers if name == "worker" else 1) + 1)
        }

    def scale_workers(self, workers: int) -> None:
        """`up --scale worker=N`, and wait."""
        self._workers = workers
        self.compose("up", "--detach", "--no-deps", "--no-build", *self._scale(("worker",)), "worker")
        self.wait("worker")

    def inspect(self, container: str) -> dict[str, Any]:
        """What podman knows of a container."""
        found: list[dict[str, Any]] = json.loads(self.engine.run("inspect", container))
        return found[0]

    def inside(self, container: str, *command: str) -> tuple[int, str]:
        """Run a command in a container: its exit code and what it printed."""
        done = subprocess.run(
            ["podman", "exec", container, *command],
            env=self.engine.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    def logs(self, container: str) -> str:
        """What a container has printed."""
        done = subprocess.run(
            ["podman", "logs", container], env=self.engine.environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def address(self, service: str, network: str) -> str:
        """The address of a service's first container on one of its networks."""
        networks = self.inspect(self.container(service))["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_{network}"]["IPAddress"])

    def volume(self, name: str) -> Path:
        """Where a volume is on this machine."""
        return self.engine.state / "storage" / "volumes" / f"{self.project}_{name}" / "_data"

    def memory_bytes(self) -> dict[str, int]:
        """What each container holds, as its control group counts it."""
        stats = json.loads(self.engine.run("stats", "--no-stream", "--format", "json", *self.containers()))
        return {each["name"]: _bytes(each["mem_usage"].split("/")[0].strip()) for each in stats}

    def _scale(self, names: Sequence[str]) -> list[str]:
        return ["--scale", f"worker={self._workers}"] if "worker" in names else []

    def _write_override(self) -> None:
        """Ports that are free on this machine, and variables for Airflow's services."""
        airflow = [name for name, service in self.services.items() if "AIRFLOW_HOME" in service.environment]
        services: dict[str, Any] = {name: {"environment": self._extra} for name in airflow if self._extra}
        text = yaml.safe_dump({"services": services}) if services else "services:\n"
        for name, port in self._ports.items():
            published = f'["{LOOPBACK}:{port}:{_PUBLISHED[name]}"]'
            line = f"    ports: !override {published}\n"
            head = f"  {name}:\n"
            text = text.replace(head, head + line) if head in text else text + head + line
        write_private(self.root / "override.yaml", text)

    def _fill_home(self) -> None:
        """What the outside puts into the volume: declarations, and the folder where files land."""
        home = self.volume("home")
        if not home.exists():
            self.engine.run("volume", "create", f"{self.project}_home")
            os.chown(home, UID, UID)
            home.chmod(0o770)
        landing = home / "landing"
        landing.mkdir(exist_ok=True)
        if self._models is not None:
            shutil.copytree(self._models, home / "models", dirs_exist_ok=True)
            for model in self._models.glob("[!_]*.yaml"):
                (landing / model.stem).mkdir(exist_ok=True)
        (home / "faults").mkdir(exist_ok=True)
        for path in (landing, *landing.iterdir(), home / "faults"):
            os.chown(path, UID, UID)


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _bytes(text: str) -> int:
    """Podman's own way to write a size: `97.5MB`."""
    number = text.rstrip("kMGTiB")
    return int(float(number) * {"kB": 1e3, "MB": 1e6, "GB": 1e9, "B": 1}[text[len(number) :]])
