"""Rows and files that failed, and their readmission."""
