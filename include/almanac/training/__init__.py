"""How a candidate is made: folds, search, fit, export, and its record as one MLflow run.

May import: alerts, config, data, features, journal, registry, statistics, storage.
"""
