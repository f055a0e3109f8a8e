"""Tumbling windows of event time: when one closes, what lies in it, and which are missing.

May import: config, data, journal.
"""
