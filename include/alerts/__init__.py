"""Messages to people: without secrets, sent with patience, and written down even when they did not arrive."""
