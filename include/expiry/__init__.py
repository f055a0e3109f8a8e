"""What a model takes in and gives out goes when it is old, unless something still needs it."""
