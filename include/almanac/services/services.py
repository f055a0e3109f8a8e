"""Airflow and MLflow of one home, as one thing that is up or down."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from almanac.config.credentials import (
    ADMIN,
    Credentials,
    credentials_file,
    load,
    load_or_create,
    private_folder,
)
from almanac.config.home import Home
from almanac.config.location import sqlite_url
from almanac.config.repository import check_installed
from almanac.errors import ConfigError, PermanentError
from almanac.services.airflow_api import AirflowClient
from almanac.services.databases import create_databases, migrate_airflow
from almanac.services.environment import airflow_home, environment, mlflow_auth_file
from almanac.services.health import wait_until_healthy
from almanac.services.landing import make_landing_folders
from almanac.services.mlflow_login import fit_login
from almanac.services.overview import overview
from almanac.services.pools import ensure_pools
from almanac.services.ports import Ports, choose_ports, load_ports
from almanac.services.supervision.leftovers import end_tree, is_stopped, processes_of
from almanac.services.supervision.lifetime import start_supervisor, stop_supervisor, terminable, uninterrupted
from almanac.services.supervision.supervision import (
    WAITING,
    ServiceStatus,
    config_file,
    full_name,
    log_file,
    private_temporary_folder,
    programs,
    render_config,
    services_folder,
    statuses,
    supervisor_of,
    supervisor_process,
)
from almanac.storage.locks import locked

Report = Callable[[str], None]

_LOCK_TIMEOUT_S = 300.0
# 180 s were not enough on two cores with a load of 16.
_HEALTH_TIMEOUT_S = 300.0
# Before a supervisor that is there and does not answer is ended with all its services.
_SUPERVISOR_TIMEOUT_S = 30.0

# MLflow's own users: nobody may see anything unless the admin says so; and a password is hashed once a minute, not for
# every request (PBKDF2 makes each of them 0.1 s).
_MLFLOW_AUTH = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database_url}
admin_username = {admin}
authorization_function = almanac.services.mlflow_authentication:authenticate
auth_cache_ttl_seconds = 60
"""


def _silent(_message: str) -> None:
    """Say nothing."""


class Services:
    """The services of one home.

    Args:
        home: the places of the installation.
        extra: more variables for the services, for example `AIRFLOW_CONN_...`; they are read when the services start.
        report: called with one line for each step.
    """

    def __init__(self, home: Home, *, extra: Mapping[str, str] | None = None, report: Report = _silent) -> None:
        self.home = home
        self._extra = dict(extra or {})
        self._report = report

    @property
    def ports(self) -> Ports:
        """Where the services listen.

        Raises:
            PermanentError: they were never up.
        """
        ports = load_ports(self.home.home)
        if ports is None:
            raise PermanentError(f"{self.home.home}: these services were never started; run `make up`")
        return ports

    @property
    def artifacts(self) -> Path:
        """Where MLflow's server keeps the files of its runs."""
        return Path(self.home.artifacts)

    @property
    def airflow_url(self) -> str:
        """Airflow's user interface and REST API."""
        return self.ports.airflow_url

    @property
    def mlflow_url(self) -> str:
        """MLflow's user interface and tracking API."""
        return self.ports.mlflow_url

    @property
    def credentials(self) -> Credentials:
        """The passwords and keys; see `credentials_file` for where they are kept."""
        return load(credentials_file(self.home.home))

    @property
    def mlflow_password(self) -> str:
        """Of MLflow's administrator."""
        return self.credentials.mlflow_password

    @property
    def secrets(self) -> dict[str, str]:
        """Every password and key, by name."""
        return asdict(self.credentials)

    def environment(self) -> dict[str, str]:
        """The environment that the services run in."""
        return environment(self.home, self.ports, self.credentials, extra=self._extra)

    def airflow(self, timeout_s: float = 30.0) -> AirflowClient:
        """Make a client of this home's Airflow; the caller closes it."""
        return AirflowClient(self.ports.airflow_url, ADMIN, self.credentials.airflow_password, timeout_s=timeout_s)

    def status(self) -> tuple[ServiceStatus, ...]:
        """Say what runs; empty when the services are down."""
        return statuses(self.home)

    def up(self, *, with_parent: bool = False) -> bool:
        """Start the services and wait until they are healthy.

        Args:
            with_parent: end them when this process ends, even by `kill -9`. Call it in the main thread, then: the
                kernel watches the thread.

        Returns:
            False when they were running already.

        Raises:
            PermanentError: one of them does not start.
            TransientError: one of them is not healthy in time.
        """
        with self._alone():
            if self._supervised():
                self._upgrade_journal()
                self._start_missing()
                wait_until_healthy(self.home, self.ports, self.credentials, self._report, timeout_s=_HEALTH_TIMEOUT_S)
                self._ensure_pools()
                return False
            # Of a supervisord that was killed, or hangs: they would hold the ports and the databases.
            self._stop()
            try:
                with self._alone_on_machine():
                    self._start(with_parent)
                self._ensure_pools()
            except BaseException:  # Ctrl-C too: half of the services is worse than none; raised again below
                with uninterrupted():
                    self._stop()
                raise
            return True

    def down(self) -> bool:
        """Stop the services and everything they have started; returns False when nothing ran."""
        with self._alone():
            return self._stop()

    @contextmanager
    def running(self) -> Iterator["Services"]:
        """Keep the services up inside a `with` block, and no longer, however the block ends."""
        with terminable():
            started = False
            try:
                started = self.up(with_parent=True)
                yield self
            finally:
                if started:
                    with uninterrupted():
                        self.down()

    @contextmanager
    def held_down(self) -> Iterator[None]:
        """Keep the services from starting inside a `with` block, for who exchanges what they use.

        Raises:
            ConfigError: they are running.
            TransientError: somebody starts or stops them.
        """
        with self._alone():
            if processes_of(self.home.home):  # not asked of their supervisor, which may be gone while they run on
                raise ConfigError("the services are running and use the databases; stop them first: ./almanac down")
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else start or stop the services of this home meanwhile."""
        path = private_folder(services_folder(self.home)) / "lock"
        with locked(path, self._report_waiting("this home"), timeout_s=_LOCK_TIMEOUT_S):
            yield

    @contextmanager
    def _alone_on_machine(self) -> Iterator[None]:
        """Let no other home choose its ports between our choice and the moment when our servers listen."""
        path = private_temporary_folder() / "lock"
        with locked(path, self._report_waiting("this machine"), timeout_s=_LOCK_TIMEOUT_S):
            yield

    def _report_waiting(self, what: str) -> Callable[[], None]:
        return lambda: self._report(f"another process starts or stops services of {what}; waiting for it")

    def _refuse_half(self) -> None:
        """Airflow would create what a restore has not brought back yet, and the restore could not finish."""
        from almanac.backup.restore.progress import unfinished

        if left := unfinished(self.home):
            raise ConfigError(
                f"{self.home.home}: a restore is unfinished: {'; '.join(left)}. Run it again: it continues where it"
                " stopped (./almanac restore SNAPSHOT --live); to stop at what is back, add --give-up"
            )

    def _supervised(self) -> bool:
        """Whether there is a supervisor that answers; on a machine that is busy it is asked for a while."""
        deadline = time.monotonic() + _SUPERVISOR_TIMEOUT_S
        while not self.status():
            process = supervisor_process(self.home)
            if process is None or is_stopped(process) or time.monotonic() > deadline:
                return False
            time.sleep(1.0)
        return True

    def _start_missing(self) -> None:
        """Start services that have ended or were stopped; silent ones are left to the watcher."""
        found = overview(self.home).services
        with supervisor_of(self.home) as supervisor:
            for each in found:
                if each.state in ("FATAL", "STOPPED"):
                    self._report(f"{each.name} is not running ({each.state}); starting it")
                    supervisor.startProcess(full_name(each.name), False)
                elif each.stopped:
                    self._report(f"{each.name} {each.words}; killing it and starting it again")
                    end_tree(psutil.Process(each.pid))
                elif each.state == "MISSING":
                    self._report(f"{each.name}: {each.words}")

    def _start(self, with_parent: bool) -> None:
        self._refuse_half()
        check_installed()
        self._upgrade_journal()
        credentials = load_or_create(self.home.home)
        ports = choose_ports(self.home.home)
        variables = environment(self.home, ports, credentials, extra=self._extra)
        self._prepare(ports)
        self._report("starting MLflow; preparing Airflow's database")
        start_supervisor(self.home, variables, with_parent=with_parent)
        migrate_airflow(self.home, variables, before=self._back_up_databases)
        self._drop_unreadable_triggers(variables)
        self._report("starting Airflow: scheduler, api-server, dag-processor, triggerer")
        with supervisor_of(self.home) as supervisor:
            supervisor.startProcessGroup(WAITING, False)
        wait_until_healthy(self.home, ports, credentials, self._report, timeout_s=_HEALTH_TIMEOUT_S)

    def _upgrade_journal(self) -> None:
        from almanac.backup.tasks.before_upgrade import upgrade_with_backup

        upgrade_with_backup(self.home, self._report)

    def _back_up_databases(self) -> None:
        from almanac.backup.tasks.before_upgrade import back_up_before_upgrade

        self._report("Airflow's database is of another version, or of another home; backing up before the migration")
        back_up_before_upgrade(self.home)

    def _drop_unreadable_triggers(self, variables: Mapping[str, str]) -> None:
        from almanac.backup.restore.airflow_secrets import drop_unreadable_triggers

        url, keys = variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], variables["AIRFLOW__CORE__FERNET_KEY"]
        if lost := drop_unreadable_triggers(url, keys):
            self._report(
                f"{lost} triggers in Airflow's database were encrypted with the key of another home; they are made"
                f" again"
            )

    def _ensure_pools(self) -> None:
        with self.airflow() as airflow:
            ensure_pools(self.home, airflow, self._report)

    def _prepare(self, ports: Ports) -> None:
        private_folder(airflow_home(self.home))
        private_folder(log_file(self.home, "any").parent)
        make_landing_folders(self.home)
        database = self.home.home / "mlflow_auth.db"
        if fit_login(database, self.credentials.mlflow_password):
            self._report("MLflow's users come from another home: its administrator now has this home's password")
        mlflow_auth_file(self.home).write_text(
            _MLFLOW_AUTH.format(database_url=sqlite_url(database), admin=ADMIN), "utf-8"
        )
        config_file(self.home).write_text(render_config(self.home, programs(self.home, ports)), "utf-8")
        create_databases(self.home)

    def _stop(self) -> bool:
        return stop_supervisor(self.home, self._report)
