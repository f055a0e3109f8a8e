"""A backup place: its store, keys, locks, manifests and catalogue."""
