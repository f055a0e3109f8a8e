"""Airflow connections as code sees them that knows no Airflow: who enters a service, and what else is secret."""

import json
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from almanac.errors import ConfigError


class Connection(BaseModel):
    """What a connection says; its parts are Airflow's."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    login: str | None = None
    password: str | None = Field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    database: str | None = Field(default=None, alias="schema")
    extra: dict[str, Any] = Field(default_factory=dict, repr=False)

    @field_validator("extra", mode="before")
    @classmethod
    def _read(cls, extra: Any) -> Any:
        """Airflow keeps it as a text."""
        return json.loads(extra or "{}") if isinstance(extra, str | None) else extra


# Here and not in the environment, which this process's children would inherit.
_registered: dict[str, Connection] = {}


def register_connection(name: str, connection: Connection) -> None:
    """Let this process use a connection that Airflow has found, in whichever of its secrets back ends."""
    _registered[name] = connection


def find_connection(name: str) -> Connection | None:
    """The connection that was handed over; else that of the variable which Airflow would read; else None.

    Raises:
        ConfigError: the variable cannot be read.
    """
    if name in _registered:
        return _registered[name]
    text = os.environ.get(variable_of(name))
    return parse_connection(name, text) if text else None


def variable_of(name: str) -> str:
    """The variable in which Airflow looks for a connection."""
    return f"AIRFLOW_CONN_{name.upper()}"


def parse_connection(name: str, text: str) -> Connection:
    """Read a connection as JSON.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return Connection.model_validate_json(text)
    except ValidationError:
        raise ConfigError(
            f"{variable_of(name)}: not a connection; expected JSON with some of login, password, host, port, schema and"
            " extra, as in docs/production.md (the URI form is not supported here)."
        ) from None
