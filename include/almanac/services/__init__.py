"""Airflow and MLflow on one machine: their settings, start, supervision and health.

May import: backup, config, data, journal, registry, storage.
"""
