"""A model after its promotion: drift, performance, findings, actions, the report.

May import: alerts, config, data, features, journal, registry, release, reporting, scoring, statistics, storage,
windows.
"""
