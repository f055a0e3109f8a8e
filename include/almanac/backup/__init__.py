"""Snapshots: how they are taken, kept, proven and put back. `docs/backup-format.md` is the format.

May import: config, data, journal, registry, storage, training.
"""
