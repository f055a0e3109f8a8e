"""A backup repository: its store, keys, locks, manifests and catalogue."""
