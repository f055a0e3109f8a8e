"""What tasks use, by model and pipeline, and what that costs at the declared prices.

May import: config, journal.
"""
