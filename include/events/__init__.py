"""Events that somebody outside has posted."""
