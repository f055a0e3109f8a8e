"""What the installation looks at by itself: declarations, and everything that has become due."""

from typing import TYPE_CHECKING, Any

from almanac.config.installation import Installation

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def check_declarations(context: "RunContext") -> list[str]:
    """The names of the models.

    Raises:
        ConfigError: a YAML file is broken; the message names every problem of every file.
    """
    from almanac.config.files.loader import check_models

    return check_models(context.home.models)


def attend(context: "RunContext", installation: Installation, params: dict[str, Any]) -> dict[str, Any]:
    """Acknowledge and dismiss alerts, check the installation, and send what is due."""
    from airflow.sdk.configuration import conf

    from almanac.backup.retention.protected import last_declarations
    from almanac.health.rounds import run_checks
    from almanac_airflow.access.connections import task_history
    from almanac_airflow.notifiers.channels import notifier

    broker = conf.get("celery", "BROKER_URL") if "Celery" in conf.get("core", "EXECUTOR") else ""
    home, run = context.home, context.run
    return run_checks(
        home,
        last_declarations(home),
        installation,
        notifier(run),
        acknowledge=params["acknowledge"],
        dismiss=params["dismiss"],
        reason=params["reason"] or "",
        broker_url=broker,
        tasks=task_history(home),
        run=run,
        now=context.now,
    )
