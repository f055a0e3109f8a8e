"""Sources that are fetched: an HTTP endpoint, a SQL query."""
