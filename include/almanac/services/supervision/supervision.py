"""The processes of one home as supervisord runs them: its configuration, and how to talk to it."""

import hashlib
import http.client
import os
import shlex
import socket
import stat
import sys
import tempfile
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import psutil

from almanac.config.credentials import FOLDER_MODE
from almanac.config.home import Home
from almanac.config.location import sqlite_url
from almanac.config.patience import patience
from almanac.errors import ConfigError, TransientError
from almanac.extras import extra
from almanac.services.environment import airflow_database, mlflow_database
from almanac.services.ports import LOOPBACK, Ports
from almanac.services.supervision import supervise
from almanac.services.supervision.leftovers import processes_of

# The group of the programs that do not start by themselves.
WAITING = "airflow"
# Looks whether the others live; see `almanac.services.watch.watcher`.
WATCHER = "watcher"
# The file that runs it, by whose name its process is known wherever the release that started it lies.
_SUPERVISE = Path(supervise.__file__).name
# Supervisord answers within milliseconds, on a busy machine within a second.
_ANSWER_S = 5.0
# A path of a unix socket ends at 108 bytes, and supervisord appends its pid while it opens it.
_SOCKET_PATH_LIMIT = 90


@dataclass(frozen=True)
class Program:
    """One process that supervisord keeps running."""

    name: str
    command: tuple[str, ...]
    # Airflow's wait for the migration of their database.
    autostart: bool = False
    # How long it may take to end before it is killed.
    stop_s: int = 15
    stop_signal: str = "TERM"
    # How often it may fail to start before supervisord gives up.
    start_retries: int = 5
    # What differs from the environment of the others; no secret, because it stands in a file.
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ServiceStatus:
    """What supervisord says about one process."""

    name: str
    state: str
    pid: int
    description: str

    @property
    def running(self) -> bool:
        """Whether the process is up."""
        return self.state == "RUNNING"

    @property
    def given_up(self) -> bool:
        """Whether supervisord stopped trying to start it."""
        return self.state == "FATAL"


class Supervisor(Protocol):
    """The part of supervisord's XML-RPC interface that is used here."""

    def startProcessGroup(self, name: str, wait: bool) -> object: ...  # noqa: D102, N802 - supervisord's name
    def startProcess(self, name: str, wait: bool) -> bool: ...  # noqa: D102, N802
    def stopProcess(self, name: str, wait: bool) -> bool: ...  # noqa: D102, N802
    def getAllProcessInfo(self) -> list[dict[str, str | int]]: ...  # noqa: D102, N802
    def shutdown(self) -> bool: ...  # noqa: D102
    def getPID(self) -> int: ...  # noqa: D102, N802


def programs(home: Home, ports: Ports) -> tuple[Program, ...]:
    """List the processes of one home.

    Airflow's own log servers are left out (`--skip-serve-logs`): they listen on every network interface, and on one
    machine the api-server reads the logs from the disk.
    """
    airflow = (sys.executable, "-m", "airflow")
    mlflow = (
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--app-name",
        "basic-auth",
        "--host",
        LOOPBACK,
        "--port",
        str(ports.mlflow),
        "--workers",
        "1",
        "--backend-store-uri",
        sqlite_url(mlflow_database(home), timeout_s=60),
        "--artifacts-destination",
        home.artifacts,
    )
    return (
        Program("mlflow", mlflow, autostart=True),
        # Waits for its running tasks, which may take hours; they are tried again at the next start.
        Program("scheduler", (*airflow, "scheduler", "--skip-serve-logs"), stop_s=8),
        Program("api-server", (*airflow, "api-server"), environment=(_database(home, wait_s=5),)),
        Program("dag-processor", (*airflow, "dag-processor")),
        # It sometimes waits ten seconds for nothing; a kill costs no event, because triggers keep their state outside.
        Program("triggerer", (*airflow, "triggerer", "--skip-serve-logs"), stop_s=5),
        Program(WATCHER, (sys.executable, "-m", "almanac.services.watch.watcher"), stop_s=5),
    )


def _database(home: Home, *, wait_s: int) -> tuple[str, str]:
    """Airflow's database for the api-server, which must not wait long for other writers.

    Its event loop itself writes the audit log of every POST. When a request that holds SQLite's lock needs the loop to
    go on, both would wait for each other as long as this: everything stood still for a minute. Now the POST fails.
    """
    return "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", sqlite_url(airflow_database(home), timeout_s=wait_s)


def full_name(name: str) -> str:
    """A process as supervisord's interface calls it: with its group."""
    return name if name == "mlflow" else f"{WAITING}:{name}"


def services_folder(home: Home) -> Path:
    """Where the configuration, the logs and the control socket of the services are."""
    return home.home / "services"


def log_file(home: Home, name: str) -> Path:
    """The log of one service."""
    return services_folder(home) / "logs" / f"{name}.log"


def config_file(home: Home) -> Path:
    """Supervisord's configuration."""
    return services_folder(home) / "supervisord.conf"


def socket_file(home: Home) -> Path:
    """The control socket: in the home, or under a short name in this user's private temporary folder."""
    path = services_folder(home) / "supervisor.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        return path
    key = hashlib.sha256(os.fsencode(home.home)).hexdigest()[:16]
    return private_temporary_folder() / f"{key}.sock"


def private_temporary_folder() -> Path:
    """This user's own folder under the machine's temporary folder.

    Raises:
        ConfigError: something of this name exists that belongs to someone else, who could read or replace what we put.
    """
    path = Path(tempfile.gettempdir()) / f"almanac-{os.getuid()}"
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"{path}: expected a folder of mode 700 that belongs to user {os.getuid()}; "
            f"got mode {stat.S_IMODE(found.st_mode):o} of user {found.st_uid}. Remove it, or set TMPDIR."
        )
    return path


def render_config(home: Home, programs: Sequence[Program]) -> str:
    """Write supervisord's configuration. It holds no secret: those come by supervisord's environment."""
    folder = services_folder(home)
    sections = [
        _section("unix_http_server", file=socket_file(home), chmod="0700"),
        _section(
            "supervisord",
            logfile=folder / "logs" / "supervisord.log",
            logfile_maxbytes="5MB",
            logfile_backups=2,
            pidfile=folder / "supervisord.pid",
            # A relative path that some library writes to must land in the home, not where someone stood.
            directory=home.home,
            umask="077",
            nocleanup="true",
            # What it writes to its standard output is in its log already.
            silent="true",
        ),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    airflow = []
    for program in programs:
        sections.append(_program_section(home, program))
        if not program.autostart:
            airflow.append(program.name)
    sections.append(_section(f"group:{WAITING}", programs=",".join(airflow)))
    return "\n".join(sections)


def _program_section(home: Home, program: Program) -> str:
    return _section(
        f"program:{program.name}",
        command=shlex.join(program.command),
        autostart=str(program.autostart).lower(),
        autorestart="true",
        startsecs=3,
        startretries=program.start_retries,
        # Children included: a scheduler forks its workers, and they fork their tasks.
        stopasgroup="true",
        killasgroup="true",
        stopwaitsecs=program.stop_s,
        stopsignal=program.stop_signal,
        redirect_stderr="true",
        stdout_logfile=log_file(home, program.name),
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups=3,
        **(
            {"environment": ",".join(f'{name}="{value}"' for name, value in program.environment)}
            if program.environment
            else {}
        ),
    )


def _section(name: str, **options: object) -> str:
    # Supervisord expands `%(...)s` in every value.
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items()]
    return "\n".join([f"[{name}]", *lines, ""])


@contextmanager
def supervisor_of(home: Home, *, timeout_s: float = _ANSWER_S) -> Iterator[Supervisor]:
    """Connect to the supervisord of a home.

    Args:
        home: whose.
        timeout_s: how long each answer may take; more than a call with `wait` takes.

    Raises:
        TransientError: none answers.
    """
    with extra("server", "`almanac up`"):
        from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, serverurl=f"unix://{socket_file(home)}")
    # Its own connection waits for ever, and one that is stopped lets everybody in.
    transport._get_connection = lambda: _Connection(socket_file(home), timeout_s)
    proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    try:
        yield cast(Supervisor, proxy.supervisor)
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        raise TransientError(f"{socket_file(home)}: the services' supervisor does not answer: {error}") from error
    finally:
        transport.close()


def statuses(home: Home) -> tuple[ServiceStatus, ...]:
    """Ask supervisord for its processes; empty when it does not answer."""
    try:
        with supervisor_of(home, timeout_s=min(_ANSWER_S, patience().answer_s)) as supervisor:
            found = supervisor.getAllProcessInfo()
    except TransientError:
        return ()
    return tuple(
        ServiceStatus(str(each["name"]), str(each["statename"]), int(each["pid"]), str(each["description"]))
        for each in found
    )


def supervisor_process(home: Home) -> psutil.Process | None:
    """The process of the supervisord of a home, whether it answers or not."""
    for process in processes_of(home.home):
        try:
            if any(Path(word).name == _SUPERVISE for word in process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))
