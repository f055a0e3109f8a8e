"""From a landed file to a published batch: sources, formats, ingest, the Delta table, and quarantine.

May import: config, features, journal, registry, reporting, storage, validation.
"""
