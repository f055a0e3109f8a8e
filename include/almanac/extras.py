"""Packages that not everybody needs: who lacks one is told which extra brings it."""

from collections.abc import Iterator
from contextlib import contextmanager

from almanac.errors import ConfigError

# What the extras of pyproject.toml bring, as it is imported.
IMPORTED = {
    "s3": ("boto3", "botocore"),
    "azure": ("azure",),
    "postgres": ("psycopg2",),
    "smtp": ("airflow.providers.smtp",),
    "apprise": ("airflow.providers.apprise", "apprise"),
    "celery": ("celery", "kombu", "redis"),
    "fab": ("airflow.providers.fab",),
    "server": ("supervisor",),
    "serve": ("msgspec", "prometheus_client", "starlette", "uvicorn"),
    "bayesian": ("optuna",),
    "openlineage": ("airflow.providers.openlineage", "openlineage"),
    "xgboost": ("xgboost",),
}


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import packages of an extra inside of this.

    Args:
        name: of the extra.
        purpose: what they are needed for, as the subject of a sentence.

    Raises:
        ConfigError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        # `a.b` is missing when `a` is, and `a.b.c` when `a.b` is.
        if not any(f"{missing}.".startswith(f"{one}.") or one.startswith(f"{missing}.") for one in IMPORTED[name]):
            raise
        raise ConfigError(
            f"{purpose} needs the package {missing!r}, which is not installed; expected: pip install 'almanac[{name}]'"
        ) from error
