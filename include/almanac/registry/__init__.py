"""The adapter of the model registry: MLflow's client, the files of a version, and the context of a run that uses it.

May import: config, features, journal.
"""
