"""The adapter of the model registry: MLflow's client, and the files that a version consists of.

May import: config, features, journal.
"""
