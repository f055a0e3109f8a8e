"""Airflow imports this module at the start of each of its processes."""

from almanac_airflow.processes.former_names import accept_former_names
from almanac_airflow.processes.warm_workers import warm_parent_of_tasks

# Airflow takes the names of this module for settings of its own unless it is told which are meant.
__all__: list[str] = []

accept_former_names()
warm_parent_of_tasks()
