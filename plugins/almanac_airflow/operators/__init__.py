"""Operators that wait: for a person, or for the archive."""
