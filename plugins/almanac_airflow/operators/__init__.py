"""Operators that several kinds of DAG share, or that must wait."""
