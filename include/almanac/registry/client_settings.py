"""Settings of MLflow's client in this process: defaults of our own and the login; environment variables win."""

import os

from almanac.config.connection import Connection, find_connection
from almanac.config.patience import mlflow_settings

CONNECTION = "almanac_mlflow"
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # With files on S3 the server would redirect its clients there; so they need no network access to it.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def configure_client() -> None:
    """Set the environment variables of MLflow's client; call it before the client is used.

    The login is that of the connection `almanac_mlflow`, where a password without a login is a token; without the
    connection, MLflow's own variables apply.

    Raises:
        ConfigError: the connection cannot be read.
    """
    # MLflow's own default, seven tries of two minutes each, waits a quarter of an hour for a server that hangs.
    for name, value in {**_DEFAULTS, **mlflow_settings()}.items():
        os.environ.setdefault(name, value)
    if found := find_connection(CONNECTION):
        os.environ.update(_login(found))


def _login(found: Connection) -> dict[str, str]:
    if found.login:
        return {"MLFLOW_TRACKING_USERNAME": found.login, "MLFLOW_TRACKING_PASSWORD": found.password or ""}
    return {"MLFLOW_TRACKING_TOKEN": found.password} if found.password else {}
