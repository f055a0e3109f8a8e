"""Sections about what is kept, where, for how long, and what is deleted."""
