"""Run once by `airflow-init` of docker-compose.yaml, after the migration: roles, the first administrator, pools.

Harmless when it has run before: roles get their permissions again, a user and a pool that exist stay as somebody has
set them. The password comes by the environment (`AIRFLOW_ADMIN_PASSWORD`), so that no list of processes shows it.
"""

import os
import sys
from typing import Any

ADMIN = "admin"

# What each role may do beyond Airflow's Viewer; which DAGs a role may edit is said by the DAGs (`access_control`).
# docs/production.md shows them as a table, and a test asks the REST API about each.
_TRIGGER = [("can_create", "DAG Runs"), ("can_edit", "DAG Runs"), ("can_create", "Assets")]
_CLEAR = [("can_create", "Task Instances"), ("can_edit", "Task Instances"), ("can_create", "Backfills")]
_CONNECTIONS = [(action, "Connections") for action in ("can_create", "can_read", "can_edit", "menu_access")]
_POOLS = [(action, "Pools") for action in ("can_create", "can_edit", "menu_access")]
ROLES = {
    "Data engineer": [*_TRIGGER, *_CLEAR, *_CONNECTIONS, ("menu_access", "Admin")],
    "Operator": [
        *_TRIGGER, *_CLEAR, *_POOLS, ("can_edit", "DAGs"), ("can_edit", "Backfills"), ("menu_access", "Admin"),
        ("can_read", "Audit Logs"), ("menu_access", "Audit Logs"),
    ],
    "Approver": [("can_edit", "HITL Detail"), ("menu_access", "HITL Detail")],
}  # fmt: skip


def main() -> None:
    """Bring roles, the first administrator and the pools into being."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        ensure_roles(security)
        ensure_admin(security, os.environ["AIRFLOW_ADMIN_PASSWORD"])
    ensure_pools()


def ensure_roles(security: Any) -> None:
    """Give every role what Airflow's Viewer may, and what `ROLES` adds."""
    viewer = security.VIEWER_PERMISSIONS
    security.bulk_sync_roles([{"role": name, "perms": [*viewer, *more]} for name, more in ROLES.items()])


def ensure_admin(security: Any, password: str) -> None:
    """Create the first administrator unless there is one of this name, whose password may have been changed."""
    if security.find_user(username=ADMIN) is not None:
        return
    role = security.find_role("Admin")
    if not security.add_user(ADMIN, "First", "Administrator", f"{ADMIN}@localhost", role, password=password):
        sys.exit("airflow-init: the first administrator could not be created; the log above says why")


def ensure_pools() -> None:
    """Create the pools that the models' YAML files name; tasks of a pool that does not exist wait for ever."""
    from airflow.models.pool import Pool

    from include.config.home import Home
    from include.config.loader import load_models
    from include.services.pools import DESCRIPTION, named_pools

    for name, slots in named_pools(load_models(Home().models).models).items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots=slots, description=DESCRIPTION, include_deferred=False)


if __name__ == "__main__":
    main()
