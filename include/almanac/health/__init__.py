"""What the alerts DAG looks at every few minutes: backups, drills, snapshots, disk, restarts, failures.

May import: alerts, backup, config, data, journal, monitoring, reporting, services.
"""
