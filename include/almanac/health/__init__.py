"""Checks that the alerts DAG runs every few minutes: backups, drills, snapshots, disk, restarts, failures.

May import: alerts, backup, config, costs, data, journal, monitoring, reporting, services.
"""
