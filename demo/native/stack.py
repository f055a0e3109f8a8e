"""All services of docker-compose.yaml on this machine, without containers, under supervisord.

What Docker does and this does not: isolate file systems and networks, limit memory, pull images. What it does in the
same way: commands, environment, secrets, volumes, order of starting, health checks, restarts, replicas.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from almanac.config.connection import Connection, parse_connection
from almanac.config.credentials import ADMIN, private_folder, write_private
from almanac.config.home import REPOSITORY, Home
from almanac.errors import ConfigError, PermanentError, TransientError
from almanac.journal.location import CONNECTION, completed
from almanac.services.airflow_api import AirflowClient
from almanac.services.env_file import read_env_file, write_env_file
from almanac.services.environment import MARKER
from almanac.services.ports import LOOPBACK, any_free_port
from almanac.services.supervision.lifetime import start_supervisor, stop_supervisor, terminable, uninterrupted
from almanac.services.supervision.supervision import (
    Program,
    config_file,
    log_file,
    render_config,
    statuses,
    supervisor_of,
)
from demo.native import data_stores, launch
from demo.native.compose_file import Service, read_compose
from demo.native.debian import missing
from demo.native.machine import LOG_PORTS, SERVED_PORTS, Machine, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

COMPOSE = REPOSITORY / "docker-compose.yaml"
# What this machine's own programs stand for: the images `postgres` and `redis`.
DATA_STORES = ("postgresql", "redis-server")
_HEALTHY_S = 300.0
# Of a stack that has just begun, on a machine that does other things too.
_ANSWER_S = 90.0
# `restart: unless-stopped` never gives up; supervisord waits one second more each time.
_START_RETRIES = 30


class NativeStack:
    """The stack below one folder, which is created again.

    Args:
        root: the folder; the services' own home is `home.home` below it.
        workers: how many Celery workers.
        extra: more variables for Airflow's services, as an override file of compose would add them.
        models: the folder with the models' declarations.
        report: called with one line for each step.
        overrides: files that lie over docker-compose.yaml.
        values: of the variables in them that are no secrets of this stack.
        mlflow: more variables for MLflow's server, as its `env_file` would add them.
        everywhere: more variables for every process, the data stores' too.
    """

    def __init__(
        self,
        root: Path,
        *,
        workers: int,
        extra: Mapping[str, str],
        models: Path,
        report: Callable[[str], None],
        overrides: Sequence[Path] = (),
        values: Mapping[str, str] | None = None,
        mlflow: Mapping[str, str] | None = None,
        everywhere: Mapping[str, str] | None = None,
    ) -> None:
        if packages := missing(DATA_STORES):
            raise ConfigError(f"this needs programs of Debian: apt-get install {' '.join(packages)}")
        self._report = report
        self._replicas = {"worker": workers}
        self._extra = {**extra, "ALMANAC_MODELS": str(models)}
        self._extra_of_mlflow = dict(mlflow or {})
        self._everywhere = dict(everywhere or {})
        self._supervised = Home(home=root)
        self._machine = Machine(root, {port: any_free_port() for port in SERVED_PORTS.values()})
        self.secrets = self._make_secrets()
        found = read_compose([COMPOSE, *overrides], {**self.secrets, **(values or {})})
        self._services = {name: service for name, service in found.items() if not service.profiles}
        self._processes = {name: self._translate(service) for name, service in self._services.items()}
        # Who may look into every database, as the backups do.
        login = self._services["maintenance"].environment[f"AIRFLOW_CONN_{CONNECTION.upper()}"]
        self.home = _home(self._processes["maintenance"][0].environment, parse_connection(CONNECTION, login))

    @property
    def mlflow_url(self) -> str:
        """MLflow's user interface and tracking API."""
        return f"http://{LOOPBACK}:{self._machine.ports[SERVED_PORTS['mlflow']]}"

    @property
    def mlflow_password(self) -> str:
        """Of MLflow's administrator."""
        return self.secrets["MLFLOW_AUTH_ADMIN_PASSWORD"]

    @property
    def artifacts(self) -> Path:
        """Where MLflow's server keeps the files of its runs, if that is a folder."""
        return Path(self.environment("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"])

    @property
    def airflow_url(self) -> str:
        """Airflow's user interface and REST API."""
        return f"http://{LOOPBACK}:{self._machine.ports[SERVED_PORTS['api-server']]}"

    @property
    def root(self) -> Path:
        """The folder of everything, secrets included."""
        return self._machine.root

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services."""
        return tuple(self._services)

    def environment(self, service: str) -> dict[str, str]:
        """What the processes of a service find in their environment; holds secrets."""
        return dict(self._processes[service][0].environment)

    def airflow(self, user: str = ADMIN, password: str = "") -> AirflowClient:
        """Make a client of Airflow; the caller closes it."""
        known = password or self.secrets["AIRFLOW_ADMIN_PASSWORD"]
        return AirflowClient(self.airflow_url, user, known, timeout_s=_ANSWER_S)

    def pids(self, service: str) -> tuple[int, ...]:
        """The processes of a service that run, one for each replica."""
        names = {process.name for process in self._processes[service]}
        return tuple(each.pid for each in statuses(self._supervised) if each.name in names and each.running)

    def stop(self, process: str) -> None:
        """Stop one process and leave it stopped."""
        with supervisor_of(self._supervised, timeout_s=_HEALTHY_S) as supervisor:
            supervisor.stopProcess(f"airflow:{process}", True)

    def start(self, process: str) -> None:
        """Start one process that was stopped."""
        with supervisor_of(self._supervised, timeout_s=_HEALTHY_S) as supervisor:
            supervisor.startProcess(f"airflow:{process}", True)

    @contextmanager
    def running(self) -> Iterator[NativeStack]:
        """Keep the stack up inside a `with` block, and no longer, however the block ends."""
        with terminable():
            try:
                self._up()
                yield self
            finally:
                with uninterrupted():
                    stop_supervisor(self._supervised, self._report)
                    shutil.rmtree(data_stores.data_folder(self._services["postgres"], self._machine), True)

    def _make_secrets(self) -> dict[str, str]:
        path = private_folder(self._machine.root) / ".env"
        write_env_file(path, COMPOSE.read_text("utf-8"))
        return read_env_file(path)

    def _translate(self, service: Service) -> tuple[Process, ...]:
        replicas = self._replicas.get(service.name, 1)
        names = [service.name] if replicas == 1 else [f"{service.name}-{n}" for n in range(1, replicas + 1)]
        translated = []
        for name in names:
            process = self._machine.process(service, name, {port: any_free_port() for port in LOG_PORTS})
            extra = self._extra if "AIRFLOW_HOME" in process.environment else {}
            extra = self._extra_of_mlflow if service.name == "mlflow" else extra
            translated.append(replace(process, environment={**process.environment, **self._everywhere, **extra}))
        return tuple(translated)

    def _up(self) -> None:
        self._write_files()
        postgres = self._services["postgres"]
        data_stores.initialise_postgres(postgres, self._machine, self._processes["postgres"][0].environment)
        environment = self._processes["scheduler"][0].environment
        surroundings = {
            name: environment[name] for name in ("PATH", "LANG", "PYTHONPATH", "PYTHONSAFEPATH", "SPT_NOENV", MARKER)
        }
        start_supervisor(self._supervised, surroundings, with_parent=True)
        order = TopologicalSorter({name: set(service.depends_on) for name, service in self._services.items()})
        order.prepare()
        while order.is_active():
            wave = order.get_ready()
            self._start_wave(wave)
            order.done(*wave)
        with self.airflow() as airflow:
            airflow.login()

    def _start_wave(self, names: tuple[str, ...]) -> None:
        """Start services whose dependencies are met, and wait until they are well, or have ended well."""
        self._report(f"starting {', '.join(names)}")
        lasting = [each for name in names if not self._services[name].once for each in self._processes[name]]
        with supervisor_of(self._supervised) as supervisor:
            for process in lasting:
                supervisor.startProcess(f"airflow:{process.name}", False)
        for name in names:
            if self._services[name].once:
                self._run_once(self._processes[name][0])
        for process in lasting:
            self._wait(process)

    def _run_once(self, process: Process) -> None:
        log = log_file(self._supervised, process.name)
        with log.open("ab") as output:
            done = subprocess.run(
                self._launch(process),
                env=dict(process.environment),
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=_HEALTHY_S,
            )
        if done.returncode:
            raise PermanentError(f"{process.name} ended with {done.returncode}; read the end of {log}")

    def _wait(self, process: Process) -> None:
        deadline = time.monotonic() + _HEALTHY_S
        while process.health and not self.healthy(process):
            if time.monotonic() > deadline:
                log = log_file(self._supervised, process.name)
                raise TransientError(f"{process.name}: not healthy after {_HEALTHY_S:.0f} s; read the end of {log}")
            time.sleep(1)

    def healthy(self, process: Process) -> bool:
        """Run the health check of the file."""
        done = subprocess.run(process.health, env=dict(process.environment), capture_output=True, check=False)
        return done.returncode == 0

    def _write_files(self) -> None:
        private_folder(log_file(self._supervised, "any").parent)
        private_folder(self._machine.root / "processes")
        lasting = []
        for name, service in self._services.items():
            for target, file in service.files.items():
                path = self._machine.config(service, target)
                path.parent.mkdir(parents=True, exist_ok=True)
                # A path within a config file is a container's, too.
                volumes = {place: str(self._machine.volume(volume)) for place, volume in service.volumes.items()}
                path.write_text(_replace(file.read_text("utf-8"), volumes), "utf-8")
            for volume in service.volumes.values():
                self._machine.volume(volume).mkdir(parents=True, exist_ok=True)
            for process in self._processes[name]:
                folder = self._machine.root / "tmp" / process.name
                folder.mkdir(parents=True)
                write_private(self._file(process), json.dumps({**asdict(process), "folder": str(folder)}))
                if not service.once:
                    stop_s = int(min(service.stop_grace.total_seconds(), 30))
                    lasting.append(
                        Program(
                            process.name,
                            self._launch(process),
                            stop_s=stop_s,
                            start_retries=_START_RETRIES,
                            stop_signal=data_stores.stop_signal(service),
                        )
                    )
        config_file(self._supervised).write_text(render_config(self._supervised, lasting), "utf-8")

    def _file(self, process: Process) -> Path:
        return self._machine.root / "processes" / f"{process.name}.json"

    def _launch(self, process: Process) -> tuple[str, ...]:
        return (sys.executable, launch.__file__, str(self._file(process)))


def _home(environment: Mapping[str, str], login: Connection) -> Home:
    """The places of the installation, as a process with this environment sees them when it has entered the journal."""
    prefix = Home.model_config["env_prefix"]
    named = {name: environment.get(f"{prefix}{name.upper()}", "") for name in Home.model_fields}
    places: dict[str, Any] = {name: value for name, value in named.items() if value}
    places["journal_url"] = completed(make_url(places["journal_url"]), login).render_as_string(hide_password=False)
    return Home(**places, MLFLOW_TRACKING_URI=environment["MLFLOW_TRACKING_URI"])


def _replace(text: str, places: Mapping[str, str]) -> str:
    for there, here in places.items():
        text = text.replace(there, here)
    return text
