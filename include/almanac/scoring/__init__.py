"""Idempotent batch scoring with the champion, window by window.

May import: config, data, features, journal, registry, statistics, windows.
"""
