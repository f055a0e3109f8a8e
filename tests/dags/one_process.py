"""An Airflow without servers, set up as an installation is: `airflow dags test` runs one DAG in its own process."""

import json
import subprocess
import sys

from almanac.config.credentials import generate
from almanac.config.home import REPOSITORY, Home
from almanac.services.databases import create_databases, migrate_airflow
from almanac.services.environment import environment
from almanac.services.ports import Ports
from almanac.services.supervision.supervision import log_file


class OneProcess:
    """The Airflow of a home; MLflow's database is opened by the tasks themselves."""

    def __init__(self, home: Home, **more: str) -> None:
        extra = {"MLFLOW_TRACKING_URI": home.tracking_uri, **more}
        self._environment = environment(home, Ports(), generate(), extra=extra)
        log_file(home, "airflow-migrate").parent.mkdir(parents=True)
        create_databases(home)
        migrate_airflow(home, self._environment)

    def run(self, dag_id: str, *, red: bool = False, marked: str = "", **conf: object) -> str:
        """Run a DAG, which must end as predicted; what it said is returned. A `marked` task is a success unrun."""
        words = ["dags", "test", dag_id, *(("-c", json.dumps(conf)) if conf else ())]
        words += ["--mark-success-pattern", marked] if marked else []
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self._environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=600,
            start_new_session=True,  # Airflow signals the group of its processes
        )
        output = done.stdout + done.stderr
        assert done.returncode == int(red), (words, output[-3000:])
        return output
