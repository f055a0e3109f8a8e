"""Made-up weather: the generator, and the files that it lands for the model `weather` that the project ships.

May import: config, journal, storage.
"""
