"""Azure AI Search services watched: usage against quotas, documents against rows, indexers and their starts.

May import: alerts, config, data, journal.
"""
