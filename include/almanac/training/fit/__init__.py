"""Candidates, their search, and how they are fitted and continued."""
