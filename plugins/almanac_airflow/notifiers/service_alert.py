"""Sends one alert about a service.

`python -m almanac_airflow.notifiers.service_alert` reads the alert as JSON from the standard input.

The watcher of the services starts it, outside of every task: connections are read from the environment, from Airflow's
database or from a secrets back end, and neither scheduler nor api-server has to run.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def main() -> None:
    """Record the alert in the journal and send it by the channels of the installation."""
    send(json.load(sys.stdin))


def send(alert: dict[str, Any]) -> None:
    """Send it once.

    Args:
        alert: the fields of `ServiceAlert`.

    Raises:
        TransientError: the journal is away.
    """
    from almanac.alerts.message import event_message
    from almanac.config.home import Home
    from almanac.journal.records import RunRef
    from almanac_airflow.declarations import declared_installation
    from almanac_airflow.notifiers.channels import notifier

    now = datetime.now(UTC)
    run = RunRef("services", f"watcher__{now.isoformat()}", trigger="watcher")
    message = event_message(
        "service",
        severity=alert["severity"],
        model="",
        run=run,
        now=now,
        subject=alert["subject"],
        words=alert["words"],
        what_to_do=alert["what_to_do"],
    )
    notifier(run).notify_once(declared_installation(Home()).alerts, message, "service", alert["key"], now)


if __name__ == "__main__":
    main()
