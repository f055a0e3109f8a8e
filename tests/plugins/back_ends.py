"""Secrets back ends as Airflow asks them, in memory."""

from collections.abc import Mapping

from airflow.sdk import Connection


class Vault:
    """A secrets back end of anyone who runs the installation."""

    def __init__(self, known: Mapping[str, Connection]) -> None:
        self.known = known

    def get_connection(self, conn_id: str) -> Connection | None:
        return self.known.get(conn_id)


class ExecutionAPISecretsBackend(Vault):
    """Airflow's database as a task sees it: named like Airflow's own class, by which it is known."""


class Away:
    """A back end that does not answer."""

    def get_connection(self, conn_id: str) -> Connection | None:
        raise ConnectionRefusedError(conn_id)
