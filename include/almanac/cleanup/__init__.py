"""Deletion of old outputs of models, runs, logs and rows that nothing needs any more.

May import: alerts, backup, config, data, journal, registry, scoring, services, storage.
"""
