"""A team's own training programs: their environments, the folder that is their contract, and their confined runs.

May import: config, registry, storage.
"""
