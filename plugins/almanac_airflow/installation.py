"""What the DAGs of the whole installation have in common: those that are no model's own."""

import warnings
from collections.abc import Mapping

import yaml
from airflow.sdk import DAG, Param

from almanac.config.files.loader import load_installation
from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac.config.sections.pipelines import MAINTENANCE_QUEUE
from almanac.errors import ConfigError
from almanac_airflow.access.access import access_control
from almanac_airflow.access.reserved import BACKUP, find_reserved
from almanac_airflow.dags import cron
from almanac_airflow.docs import triage
from almanac_airflow.notifiers.alert import callbacks
from almanac_airflow.policies import DEFAULT_ARGS


def declared_installation(home: Home) -> Installation:
    """What `_installation.yaml` says, or said when it could be read last; then with a warning that Airflow shows."""
    try:
        return load_installation(home.models)
    except ConfigError as error:
        warnings.warn(str(error), UserWarning, stacklevel=2)
        from almanac.backup.retention.protected import (
            last_installation,  # it opens the journal: not each time a file is parsed
        )

        return last_installation(home)[0]


def installation_dag(
    dag_id: str,
    installation: Installation,
    *,
    purpose: str,
    schedule: str | None,
    params: Mapping[str, Param] | None = None,
    tag: str = "backup",
) -> DAG:
    """A DAG of the whole installation, one run at a time, filled in as every DAG of Almanac is.

    Args:
        dag_id: its name.
        installation: owner, alerts, settings.
        purpose: the DAG file's own description.
        schedule: five fields of cron; None: only a person.
        params: the form of a run by hand.
        tag: what people find it by.
    """
    config = yaml.safe_dump(installation.model_dump(mode="json", exclude_none=True), sort_keys=False)
    with warnings.catch_warnings():
        # Airflow reads `access_control` with a module that it calls deprecated itself.
        warnings.filterwarnings("ignore", message="The airflow.security.permissions module is deprecated")
        return DAG(
            dag_id=dag_id,
            dag_display_name=dag_id.replace("_", " "),
            description=purpose.strip().splitlines()[0],
            doc_md=f"{purpose.strip()}\n{triage()}\n### `_installation.yaml`\nTimes are UTC.\n\n```yaml\n{config}```\n",
            schedule=cron(schedule) if schedule else None,
            catchup=False,
            max_active_runs=1,
            tags=[tag],
            params=dict(params or {}),
            access_control=access_control(dag_id),
            default_args={
                **DEFAULT_ARGS,
                "owner": installation.owner,
                "queue": MAINTENANCE_QUEUE,
                **callbacks(None, installation.alerts),
            },
        )


def backup_key() -> str:
    """The key from the connection `almanac_backup`; empty where there is none. Call it from within a task."""
    found = find_reserved(BACKUP)
    return (found.password if found else None) or ""
