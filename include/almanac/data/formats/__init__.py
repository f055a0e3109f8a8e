"""Readers of files: bytes to records of text cells."""
