"""Posted events: which are accepted, what they claim, and what has become of each.

May import: alerts, config, data, journal, registry, scoring, training, windows.
"""
