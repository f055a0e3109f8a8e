"""Versions that travel from one installation to another: the signed archive, its export, and its arrival.

May import: alerts, backup, config, data, features, journal, programs, registry, release, training.
"""
