"""Columns that are known ahead: where they come from, and how a forecast uses them."""
