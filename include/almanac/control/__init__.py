"""What is known of every model at this moment: one summary for the start page, its JSON, and the metrics.

May import: alerts, config, costs, journal, statistics.
"""
