"""Old rows of Airflow's database, by its own `db clean`; see `_PROGRAM` for what stays all the same."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy.engine import make_url

from almanac.backup.installation import exists
from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.config.home import Home
from almanac.config.location import sqlite_path, sqlite_url
from almanac.config.repository import ROOT, python_path
from almanac.errors import TransientError
from almanac.services.environment import airflow_home

_PROGRAM = "almanac_airflow.processes.clean_history"  # a process of its own: this package imports no Airflow
_TIMEOUT = timedelta(hours=1)
_LAST_WORDS = 600  # characters
# A task's process may not ask Airflow's database, and says so to its children by these.
_OF_TASKS = ("_AIRFLOW_PROCESS_CONTEXT", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


class AirflowRows:
    """Runs, tasks, XComs, events, audit log and the like that are older than declared.

    Args:
        home: names the database.
        age: declared.
        now: the time.

    Raises:
        TransientError: on every method, when the database is unreachable or a table could not be cleaned.
    """

    kind, database = "airflow_history", "airflow"

    def __init__(self, home: Home, age: timedelta, now: datetime) -> None:
        self._home, self._before = home, now - age

    def plan(self) -> ExpiryPlan:
        """The rows of each table that would go."""
        found = self._run("--dry-run") if exists(make_url(self._home.airflow_database_url)) else {}
        changed = found.get("changed_at")
        at = self._before if changed is None else datetime.fromisoformat(changed)
        items = [
            Item(self.kind, f"{rows} rows of {table}", 0, at, (), (table,), rows)
            for table, rows in sorted(found.get("rows", {}).items())
        ]
        return ExpiryPlan(tuple(items), {})

    def delete(self, plan: ExpiryPlan) -> None:
        """Delete what is that old and nobody reads, as it is now."""
        self._run()

    def _run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", _PROGRAM, "--before", self._before.isoformat(), *arguments]
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT.total_seconds(),
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError(f"{_PROGRAM}: not finished after {_TIMEOUT}; the next cleanup continues") from error
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            output = (done.stderr or done.stdout).strip()[-_LAST_WORDS:]
            raise TransientError(
                f"Airflow's database could not be cleaned: {_PROGRAM} ended with {done.returncode}: {output}"
            )
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    @cached_property
    def _environment(self) -> dict[str, str]:
        url = self._home.airflow_database_url
        if url.startswith("sqlite") and (path := sqlite_path(url)):
            url = sqlite_url(path, timeout_s=60)  # who writes just now is waited for
        here = {name: value for name, value in os.environ.items() if name not in _OF_TASKS}
        return {
            **here,
            "AIRFLOW_HOME": os.environ.get("AIRFLOW_HOME", str(airflow_home(self._home))),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "PYTHONPATH": python_path(os.environ.get("PYTHONPATH", "")),
        }
