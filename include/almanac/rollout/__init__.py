"""A version takes over requests step by step: who is asked, what is proven, and where a rollout stands.

May import: config, data, journal, statistics.
"""
