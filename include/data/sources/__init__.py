"""Sources that are fetched: an HTTP endpoint, a SQL query. What they give lands as files."""
