"""Sections about code that a team writes itself."""
