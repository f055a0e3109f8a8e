"""Looks whether services live, and restarts those that hang."""
