"""The disaster drill: a new installation is made of nothing but a backup, and used.

May import: backup, config, data, journal, registry, scoring, services.
"""
