"""Health check of a container: ends with 0 when the process that is named has reported to Airflow's database lately.

`airflow jobs check` would import all of Airflow every time; the api-server knows the same and says it to anyone.
"""

import json
import os
import sys
from urllib.parse import urlsplit
from urllib.request import urlopen


def main(process: str) -> int:
    """Ask the api-server about `scheduler`, `triggerer` or `dag_processor`."""
    server = urlsplit(os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    with urlopen(f"{server.scheme}://{server.netloc}/api/v2/monitor/health", timeout=10) as answer:  # noqa: S310 - http
        return 0 if json.load(answer)[process]["status"] == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
