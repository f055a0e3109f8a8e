"""From a logged candidate to production and back: gates, judgement, approval, promotion, lineage.

May import: config, data, features, journal, registry, reporting, scoring, statistics, training.
"""
