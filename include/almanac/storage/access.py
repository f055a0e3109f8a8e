"""Credentials and addresses of the object stores: an Airflow connection as the variables that every client knows.

Delta Lake, polars, obstore and MLflow all read `AWS_*` and `AZURE_*`, each from its own process's environment. Without
keys they take the role of the machine (instance profile, pod identity, managed identity): then nothing is set here.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from almanac.config.connection import Connection, find_connection, variable_of
from almanac.errors import ConfigError

CONNECTION = "almanac_storage"
VARIABLE = variable_of(CONNECTION)
_S3 = {
    "region_name": "AWS_REGION",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
_AZURE = {
    "endpoint_url": "AZURE_STORAGE_ENDPOINT",
    "sas_token": "AZURE_STORAGE_SAS_TOKEN",
    "tenant_id": "AZURE_TENANT_ID",
    "managed_identity_client_id": "AZURE_CLIENT_ID",
}


def variables(access: Connection, uris: Iterable[str]) -> dict[str, str]:
    """The variables that lead into the stores of these URIs.

    The connection's parts are those of Airflow's connections to AWS and to Azure Blob Storage.

    Raises:
        ConfigError: the connection's extra holds something that these stores do not know.
    """
    schemes = {uri.partition("://")[0] for uri in uris}
    found: dict[str, str] = {}
    if "s3" in schemes:
        found |= _named(access.extra, _S3)
        found |= _given(AWS_ACCESS_KEY_ID=access.login, AWS_SECRET_ACCESS_KEY=access.password)
        found |= _plain("AWS", found.get("AWS_ENDPOINT_URL"))
    if schemes - {"s3"}:
        found |= _named(access.extra, _AZURE)
        if "AZURE_TENANT_ID" in found:  # a service principal: the account is elsewhere
            found |= _given(AZURE_STORAGE_ACCOUNT_NAME=_account(access.host))
            found |= _given(AZURE_CLIENT_ID=access.login, AZURE_CLIENT_SECRET=access.password)
        else:
            found |= _given(AZURE_STORAGE_ACCOUNT_NAME=access.login or _account(access.host))
            found |= _given(AZURE_STORAGE_ACCOUNT_KEY=access.password)
        found |= _plain("AZURE", found.get("AZURE_STORAGE_ENDPOINT"))
    return found


def load_credentials(access: Connection, uris: Iterable[str]) -> None:
    """Let this process, and those that it starts, into the stores of these URIs."""
    os.environ.update(variables(access, uris))


def load_credentials_from_environment(uris: Iterable[str]) -> None:
    """The same where no Airflow runs, from the variable that Airflow would read, if it is set.

    Raises:
        ConfigError: it cannot be read.
    """
    wanted = tuple(uris)
    if wanted and (access := find_connection(CONNECTION)):
        load_credentials(access, wanted)


def _named(extra: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(extra.keys() - names.keys())
    if unknown:
        raise ConfigError(
            f"connection {CONNECTION}: extra: unknown {unknown}; expected some of {sorted(names)}. Give a role to the"
            " machine or the pod, not to the connection. See docs/object-storage.md."
        )
    return {names[name]: str(value) for name, value in extra.items() if value}


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _account(host: str | None) -> str:
    """The account of `name` or of `https://name.blob.core.windows.net`."""
    return (host or "").removeprefix("https://").partition(".")[0]


def _plain(cloud: str, endpoint: str | None) -> dict[str, str]:
    """Without TLS only where it is declared: an emulator, a store on this machine."""
    return {f"{cloud}_ALLOW_HTTP": "true"} if endpoint and endpoint.startswith("http://") else {}
