"""Which snapshots stay, which are forgotten, and the sweep that deletes."""
