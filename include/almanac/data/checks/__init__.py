"""The declared suite on any table: a file, or a Delta table at a version. Nothing is published."""
