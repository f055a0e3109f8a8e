"""Snapshots of models, data and databases, their retention, and restores that are proven. See docs/backup-format.md."""
