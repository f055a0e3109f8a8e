"""The rules that rows must keep, compiled from the model's YAML, and the two ways they are run."""
