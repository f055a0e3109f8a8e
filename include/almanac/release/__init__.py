"""From a logged candidate to production and back: gates, judgement, approval, promotion, lineage.

May import: alerts, config, data, features, journal, programs, registry, reporting, rollout, scoring, statistics,
training.
"""
