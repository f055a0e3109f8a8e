"""A declared model is played from files to its gates in a scratch home: what a change of it does, for a pull request.

May import: config, data, draft, journal, registry, release, reporting, storage, training.
"""
