"""A model's YAML, proposed from a file as it is: how it is written, its columns, its time, its key; and tried on it.

May import: config, data, journal, statistics, storage, training, validation.
"""
