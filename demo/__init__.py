"""What `make demo` shows: synthetic data and the story told with them. Nothing in `include/` depends on it."""
