"""The operations database: batches, decisions, alerts and audits, as rows that can be queried.

May import: config, storage.
"""
