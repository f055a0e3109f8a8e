"""Tells one alert about a service.

`python -m almanac_airflow.notifiers.service_alert` reads the alert as JSON from the standard input.

The watcher of the services starts it, outside of every task: connections are read from the environment, from Airflow's
database or from a secrets back end, and neither scheduler nor api-server has to be up.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def main() -> None:
    """Write the alert into the journal and tell it to whom the installation names."""
    tell(json.load(sys.stdin))


def tell(said: dict[str, Any]) -> None:
    """Tell it once.

    Args:
        said: the fields of `ServiceAlert`.

    Raises:
        TransientError: the journal is away.
    """
    from almanac.alerts.message import event_message
    from almanac.config.home import Home
    from almanac.journal.records import RunRef
    from almanac_airflow.installation import declared_installation
    from almanac_airflow.notifiers.channels import teller

    now = datetime.now(UTC)
    run = RunRef("services", f"watcher__{now.isoformat()}", trigger="watcher")
    message = event_message(
        "service", severity=said["severity"], model="", run=run, now=now,
        subject=said["subject"], words=said["words"], what_to_do=said["what_to_do"],
    )  # fmt: skip
    teller(run).happened(declared_installation(Home()).alerts, message, "service", said["key"], now)


if __name__ == "__main__":
    main()
