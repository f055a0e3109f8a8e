"""Putting snapshots back, to a folder or where they came from, and looking whether all is whole."""
