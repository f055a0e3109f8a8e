"""Tumbling windows: when they close, what lies in them, and which are missing."""
