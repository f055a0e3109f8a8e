"""Liveness probe of a pod: ends with 1 when the service that is named has not reported for long.

`python -m almanac.services.watch.alive scheduler`. Its heartbeat is read from Airflow's database: an api-server that
hangs ends no other pod. Where nobody can tell (the database is away, the service has not reported yet) it ends with 0:
a restart would not help.
"""

import os
import sys
from datetime import UTC, datetime

from almanac.services.watch.signs import Unanswered, heartbeats, this_host

# Heartbeats come every five seconds; the probe must fail several times in a row before the pod is ended.
SILENT_S = 30.0


def main(service: str) -> int:
    """Ask about `scheduler`, `triggerer` or `dag-processor` of this host."""
    found = heartbeats(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], this_host())
    if isinstance(found, Unanswered):
        sys.stdout.write(f"cannot tell: {found.why}\n")
        return 0
    if service not in found:
        sys.stdout.write(f"{service}: no heartbeat yet\n")
        return 0
    age_s = (datetime.now(UTC) - found[service]).total_seconds()
    sys.stdout.write(f"{service}: last heartbeat {age_s:.0f} s ago\n")
    return 1 if age_s > SILENT_S else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
