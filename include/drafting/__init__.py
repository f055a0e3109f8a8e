"""Drafts a model's YAML from a CSV: what a person would otherwise type off the file."""
