"""Batch scoring with the champion, window by window, so that doing it twice changes nothing.

May import: config, data, features, journal, registry, statistics, windows.
"""
