"""A model after its promotion: drift, performance, what is found, what is done about it, the report.

May import: alerts, config, data, features, journal, registry, release, reporting, scoring, statistics, storage,
windows.
"""
