"""Drafts a model's YAML from a CSV."""
