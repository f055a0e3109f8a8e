"""Files in folders and object stores, locks between processes, and scratch folders.

May import: config.
"""
