"""Run once by `airflow-init` of docker-compose.yaml: tables, roles, the first administrator, pools.

Harmless when it has run before: roles get their permissions again, a user and a pool that exist stay as somebody has
set them. A database that is not in UTF-8 is refused before anything is written into it. Passwords come by the
environment (`AIRFLOW_ADMIN_PASSWORD`, `AIRFLOW_MONITOR_PASSWORD`), so that no list of processes shows them.
"""

import os
import subprocess
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
        *_TRIGGER,
        *_CLEAR,
        *_POOLS,
        ("can_edit", "DAGs"),
        ("can_edit", "Backfills"),
        ("menu_access", "Admin"),
        ("can_read", "Audit Logs"),
        ("menu_access", "Audit Logs"),
    ],
    "Approver": [("can_edit", "HITL Detail"), ("menu_access", "HITL Detail")],
}


# The monitor's own user: it counts failures, retries and waits, and sees since when processes run. It needs to see no
# log, no XCom and no connection.
MONITOR, MONITOR_ROLE = "monitor", "Run watcher"
MONITOR_MAY = [("can_read", name) for name in ("DAGs", "DAG Runs", "Task Instances", "Jobs")]


def main() -> None:
    """Bring tables, roles, the first administrator, the monitor's user and the pools into being."""
    for url in (os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], os.environ["ALMANAC_JOURNAL_URL"]):
        check_encoding(url)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    drop_unreadable_triggers()
    upgrade_journal()
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        ensure_roles(security)
        ensure_user(security, ADMIN, "Admin", os.environ["AIRFLOW_ADMIN_PASSWORD"])
        ensure_user(security, MONITOR, MONITOR_ROLE, os.environ["AIRFLOW_MONITOR_PASSWORD"])
    ensure_pools()


def check_encoding(url: str) -> None:
    """Refuse a PostgreSQL database in another encoding than UTF-8: its first title with a `·` ends the dag-processor.

    Raises:
        SystemExit: it is in another one; says what to do.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    from almanac.journal.location import with_login
    from almanac.services.database_users import WAY_OUT

    found = with_login(url)
    # Without a name its login stands in a secrets back end, for Airflow's processes alone.
    if found.get_backend_name() != "postgresql" or found.username is None:
        return
    with create_engine(found, poolclass=NullPool).connect() as connection:
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        sys.exit(f"airflow-init: the database {found.database} is in {encoding}; expected UTF8. {WAY_OUT}")


def drop_unreadable_triggers() -> None:
    """Remove triggers of a restored database that no key of this installation decrypts: one ends the triggerer."""
    from airflow.configuration import conf

    from almanac.backup.restore import airflow_secrets

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    lost = airflow_secrets.drop_unreadable_triggers(url, conf.get("core", "fernet_key", fallback=""))
    if lost:
        line = f"{lost} triggers were encrypted with the key of another installation; they are created again"
        sys.stdout.write(f"airflow-init: {line}\n")


def upgrade_journal() -> None:
    """Create or upgrade the journal's tables, as their owner; `maintenance`, who may write them, must not be first.

    A snapshot of the journal is taken before tables that exist are changed.
    """
    from almanac.backup.tasks.before_upgrade import upgrade_with_backup
    from almanac.config.home import Home
    from almanac.journal.location import with_login
    from almanac.storage.access import load_credentials_from_environment

    home = Home()
    if with_login(home.journal_url).username is not None:
        load_credentials_from_environment(home.stores)
        upgrade_with_backup(home, print)


def ensure_roles(security: Any) -> None:
    """Give every role what Airflow's Viewer may, and what `ROLES` adds; and the monitor's user what it needs."""
    viewer = security.VIEWER_PERMISSIONS
    roles = {**{name: [*viewer, *more] for name, more in ROLES.items()}, MONITOR_ROLE: MONITOR_MAY}
    security.bulk_sync_roles([{"role": name, "perms": may} for name, may in roles.items()])


def ensure_user(security: Any, name: str, role: str, password: str) -> None:
    """Create a user unless there is one of this name, whose password may have been changed."""
    if security.find_user(username=name) is not None:
        return
    found = security.find_role(role)
    if not security.add_user(name, "Almanac", name.title(), f"{name}@localhost", found, password=password):
        sys.exit(f"airflow-init: the user {name} could not be created; the log above says why")


def ensure_pools() -> None:
    """Create the pools that the models' YAML files name; tasks of a pool that does not exist wait for ever."""
    from airflow.models.pool import Pool

    from almanac.config.files.loader import load_models
    from almanac.config.home import Home
    from almanac.services.pools import DESCRIPTION, named_pools

    for name, slots in named_pools(load_models(Home().models).models).items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots=slots, description=DESCRIPTION, include_deferred=False)


if __name__ == "__main__":
    main()
