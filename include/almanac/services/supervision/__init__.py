"""Supervisord: its configuration, its start and stop, and what outlives it."""
