"""The rules that rows must keep, compiled from the model's YAML, and the ways they are run.

May import: config.
"""
