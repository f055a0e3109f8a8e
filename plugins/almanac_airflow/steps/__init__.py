"""What the tasks do: one function for each task. Each takes the context of the run and raises to skip or to fail."""
