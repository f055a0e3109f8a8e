"""What is backed up: each module says which files make a snapshot of one kind."""
