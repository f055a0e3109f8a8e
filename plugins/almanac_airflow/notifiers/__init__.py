"""Notifiers: how people are told."""
