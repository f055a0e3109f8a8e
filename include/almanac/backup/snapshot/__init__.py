"""Taking, verifying and copying snapshots, and checking the live files against them."""
