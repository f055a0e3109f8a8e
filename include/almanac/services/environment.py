"""The whole environment of the services: every setting of Airflow and MLflow that Almanac makes, in one place."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from almanac.config.credentials import ADMIN, Credentials, airflow_passwords_file
from almanac.config.home import Home
from almanac.config.location import sqlite_url
from almanac.config.repository import DAG_FILES, python_path
from almanac.services.ports import LOOPBACK, Ports

# Every process that belongs to a home carries this; `down` finds by it what outlived its parent.
MARKER = "ALMANAC_SERVICES_OF"

# What may pass from the caller's environment. Anything else (another Airflow's settings, cloud keys, tokens of a
# build server) would be readable by every task, and would make the same command do different things.
INHERITED = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "ALMANAC_WARM_WORKERS",
)


def environment(
    home: Home,
    ports: Ports,
    credentials: Credentials,
    *,
    parent: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Make the environment of all services of one home.

    Args:
        home: the places of the installation.
        ports: where the services listen.
        credentials: what they share.
        parent: the caller's environment, of which only `INHERITED` passes; `os.environ` by default.
        extra: more variables, for example `AIRFLOW_CONN_...`; they win.
    """
    parent = os.environ if parent is None else parent
    return {
        **{name: parent[name] for name in INHERITED if name in parent},
        **_process(home, parent),
        **_almanac(home),
        **_airflow(home),
        **_airflow_network(ports),
        **_airflow_secrets(home, credentials),
        **_mlflow(home, ports, credentials),
        **(extra or {}),
    }


def airflow_home(home: Home) -> Path:
    """Where Airflow keeps its database, its logs and its generated configuration."""
    return home.home / "airflow"


def airflow_database(home: Home) -> Path:
    """Airflow's metadata database."""
    return airflow_home(home) / "airflow.db"


def mlflow_database(home: Home) -> Path:
    """The database of MLflow's runs and registry."""
    return home.home / "mlflow.db"


def mlflow_auth_file(home: Home) -> Path:
    """MLflow's settings of its own login; holds no password."""
    return home.home / "services" / "mlflow_auth.ini"


def _process(home: Home, parent: Mapping[str, str]) -> dict[str, str]:
    without_proxy = ",".join(filter(None, [parent.get("NO_PROXY") or parent.get("no_proxy"), f"{LOOPBACK},localhost"]))
    return {
        MARKER: str(home.home),
        # setproctitle writes over the environment that /proc shows, and with it over the marker.
        "SPT_NOENV": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), parent.get("PATH", os.defpath)]),
        "PYTHONPATH": python_path(),
        # `python -m` must not find modules in the folder where someone happened to stand.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
        # Tasks are forked: a pool of threads started before the fork does not exist in the child, which then hangs.
        # One thread per task is also what eight tasks on two cores need.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMEXPR_MAX_THREADS": "1",
        # These two start a thread at import: jemalloc's (pyarrow, polars, deltalake) and onnxruntime's telemetry.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "_RJEM_MALLOC_CONF": "background_thread:false",
        "ORT_DISABLE_TELEMETRY": "1",
        "MPLBACKEND": "Agg",
        # HOME may be empty or read-only; without a place of its own matplotlib rebuilds its font list in every task.
        "MPLCONFIGDIR": str(home.home / "cache" / "matplotlib"),
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
    }


def _almanac(home: Home) -> dict[str, str]:
    """Say every place, so that the services see what the caller's `Home` says, whatever it was read from."""
    prefix = home.model_config["env_prefix"]
    return {
        f"{prefix}{name.upper()}": str(getattr(home, name))
        for name in type(home).model_fields
        if name != "tracking_uri"
    }


def _airflow(home: Home) -> dict[str, str]:
    folder = airflow_home(home)
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAG_FILES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # Python 3.14 changes the default; a spawned worker inherits none of the imports that make it warm.
        "AIRFLOW__CORE__MP_START_METHOD": "fork",
        # Every slot is a process that waits from the start. Four per core: most tasks wait for a disk or a server.
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "8",
        # A model is declared in a reviewed file; that it does nothing until someone clicks would surprise.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # The default asks the DNS for its own name, which takes seconds where there is none.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        # Readers never wait for the writer (WAL is set when the file is made); writers wait instead of failing.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlite_url(airflow_database(home), timeout_s=60),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__API__WORKERS": "1",
        # The api-server answers tasks and people from one process; under load five seconds are not enough.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        # A task's last words and its death often come in the order in which Airflow's supervisor misses the second: it
        # then looks again after a heartbeat, five seconds by default, for which the slot stays taken.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # After a kill -9 of a worker its task is tried again within a minute, not within five.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        # The default is a folder in /tmp that all installations of the machine share.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
        # New files are seen within seconds. Known ones are parsed again twice a minute, when a YAML may have changed:
        # parsing is paid for ever.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        # On a busy machine of two cores 0.2 s (the default) warns about the machine, not about a trigger.
        "AIRFLOW__TRIGGERER__BLOCKED_MAIN_THREAD_WARNING_THRESHOLD": "2.0",
    }


def _airflow_network(ports: Ports) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": ports.airflow_url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{ports.airflow_url}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.logs),
    }


def _airflow_secrets(home: Home, credentials: Credentials) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__FERNET_KEY": credentials.airflow_fernet_key,
        "AIRFLOW__API__SECRET_KEY": credentials.airflow_api_secret_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials.airflow_jwt_secret,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_passwords_file(home.home)),
        # Only the administrator can log in here, so connections in Airflow's database are trusted.
        "ALMANAC_DATABASE_CONNECTIONS": "True",
    }


def _mlflow(home: Home, ports: Ports, credentials: Credentials) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": ports.mlflow_url,
        "AIRFLOW_CONN_ALMANAC_MLFLOW": json.dumps(
            {"conn_type": "http", "login": ADMIN, "password": credentials.mlflow_password}
        ),
        "MLFLOW_AUTH_CONFIG_PATH": str(mlflow_auth_file(home)),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials.mlflow_password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": credentials.mlflow_flask_secret_key,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Three more processes for jobs of language models, which nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
