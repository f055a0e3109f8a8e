"""Almanac's domain: everything that runs and is tested without Airflow.

Each folder is a room, whose docstring says what it holds and which rooms it may import. Modules beside the rooms may be
imported by all, and import none. `tests/test_layers.py` holds this.
"""
