"""A model's YAML, proposed from a file as it is: how it is written, its columns, its time, its key.

May import: config, data.
"""
