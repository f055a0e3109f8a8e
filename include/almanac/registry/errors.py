"""Maps MLflow's exceptions to Almanac's: transient ones, and those that a person must fix."""

from collections.abc import Iterator
from contextlib import contextmanager

from almanac.errors import RegistryError, TransientError
from almanac.journal.damage import damaged, is_damage

# Names of MLflow's error codes. An unreachable server is an INTERNAL_ERROR, so all other codes count as transient:
# three retries cost little, a failed task at the first lost packet costs a night.
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
def mlflow_errors(where: str) -> Iterator[None]:
    """Run a block of MLflow calls; `where` names the operation in messages.

    Raises:
        RegistryError: MLflow does not hold the object, or refuses the request.
        DamagedDatabaseError: its database is damaged.
        TransientError: MLflow, its database or its artifact store is not available.
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
    """Whether MLflow reports that the object does not exist."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def exists_already(error: Exception) -> bool:
    """Whether MLflow reports that the object already exists."""
    return getattr(error, "error_code", "") in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
