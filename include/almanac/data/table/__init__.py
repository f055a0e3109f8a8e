"""The Delta tables: their log, commits, versions, losses and maintenance."""
