"""Turns MLflow's exceptions into ours: what may pass with time, and what a person must mend."""

from collections.abc import Iterator
from contextlib import contextmanager

from almanac.errors import RegistryError, TransientError
from almanac.journal.damage import damaged, is_damage

# Names of MLflow's error codes. A server that is away arrives as INTERNAL_ERROR, so whatever is not known to be
# permanent counts as passing: three retries cost little, a red task at the first lost packet costs a night.
_PERMANENT = frozenset(
    {
        "ALREADY_EXISTS",
        "BAD_REQUEST",
        "CUSTOMER_UNAUTHORIZED",
        "ENDPOINT_NOT_FOUND",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "NOT_FOUND",
        "NOT_IMPLEMENTED",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
        "UNAUTHENTICATED",
    }
)
_UNAUTHORISED = ("401", "403")


@contextmanager
def mlflow_faults(where: str) -> Iterator[None]:
    """Run a block of MLflow calls; `where` says in the message what was being done to what.

    Raises:
        RegistryError: MLflow does not hold it, or refuses it.
        DamagedDatabaseError: its database is damaged.
        TransientError: MLflow, its database or its artifact store is away.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        if is_damage(error):
            raise damaged("mlflow", where, str(error).splitlines()[0][:300]) from error
        if not isinstance(error, MlflowException):
            raise TransientError(f"{where}: MLflow's database is away: {error}. Check it: ./almanac doctor") from error
        if error.error_code in _PERMANENT or any(f"error code {code}" in str(error) for code in _UNAUTHORISED):
            raise RegistryError(f"{where}: MLflow refuses: {error.message} ({error.error_code})") from error
        raise TransientError(f"{where}: MLflow is away: {error.message}. Check it: ./almanac doctor") from error
    except (RequestException, OSError) as error:
        raise TransientError(f"{where}: MLflow is away: {error}. Check it: ./almanac doctor") from error


def is_missing(error: Exception) -> bool:
    """Whether MLflow says that the thing does not exist."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def exists_already(error: Exception) -> bool:
    """Whether MLflow says that the thing exists already."""
    return getattr(error, "error_code", "") in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
