"""Training: folds, model selection, fit, export, the passport, and the MLflow run of a candidate.

May import: alerts, config, costs, data, features, journal, programs, registry, statistics, storage.
"""
