"""Triggers: code that waits in the triggerer."""
