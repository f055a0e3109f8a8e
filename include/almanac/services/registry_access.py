"""The model registry as the command line reaches it: the running server of this home, or what the environment names."""

import os

from almanac.config.credentials import ADMIN, credentials_file, load
from almanac.config.home import Home
from almanac.errors import TransientError
from almanac.registry.store import Registry
from almanac.services.ports import is_free, load_ports


def open_registry_to_read(home: Home) -> Registry:
    """The same for who only reads; with the services down MLflow's database and files are read where they lie.

    Raises:
        ConfigError: the home's credentials cannot be read.
    """
    ports = None if os.environ.get("MLFLOW_TRACKING_URI") else load_ports(home.home)
    return Registry.of(home) if ports is None or is_free(ports.mlflow) else open_registry(home)


def open_registry(home: Home) -> Registry:
    """The registry of a home, with its login.

    Raises:
        ConfigError: the home's credentials cannot be read.
        TransientError: the services of this home are down.
    """
    ports = None if os.environ.get("MLFLOW_TRACKING_URI") else load_ports(home.home)
    if ports is None:
        return Registry.of(home)
    if is_free(ports.mlflow):
        raise TransientError(f"{ports.mlflow_url}: MLflow of {home.home} is down; start it: ./almanac up")
    # MLflow's client takes its login from the environment only.
    os.environ.setdefault("MLFLOW_TRACKING_USERNAME", ADMIN)
    os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", load(credentials_file(home.home)).mlflow_password)
    return Registry(ports.mlflow_url)
