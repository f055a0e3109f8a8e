"""How this process talks to MLflow: our defaults, unless its environment says otherwise, and who it is."""

import os

from almanac.config.connection import Connection, find_connection
from almanac.config.patience import mlflow_settings

CONNECTION = "almanac_mlflow"
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Where its files are on S3 the server would send its clients there: they need neither a route nor a right.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def configure_client() -> None:
    """Before MLflow's client is used.

    Who enters is said by the connection `almanac_mlflow`, a password alone as a token; without it by MLflow's own
    variables.

    Raises:
        ConfigError: the connection cannot be read.
    """
    # Its own, seven tries of two minutes each, wait a quarter of an hour for a server that hangs.
    for name, value in {**_DEFAULTS, **mlflow_settings()}.items():
        os.environ.setdefault(name, value)
    if found := find_connection(CONNECTION):
        os.environ.update(_login(found))


def _login(found: Connection) -> dict[str, str]:
    if found.login:
        return {"MLFLOW_TRACKING_USERNAME": found.login, "MLFLOW_TRACKING_PASSWORD": found.password or ""}
    return {"MLFLOW_TRACKING_TOKEN": found.password} if found.password else {}
