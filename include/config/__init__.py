"""What a team declares: the models' YAML files, and where this installation keeps things."""
